"""Bake a project from the default answers, install it and start it."""

import os
import socket
import subprocess
import sys

from tests.projects import ROOT, bake

PORT = 8000


def is_free(port: int) -> bool:
    """Return whether a server can listen on the port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Become the demonstration's server, until Ctrl-C."""
    project = bake(ROOT / "build", {}, overwrite=True)
    command = ["make", "--no-print-directory", f"PYTHON={sys.executable}", ".venv/done"]
    subprocess.run(command, check=True, cwd=project.path)
    service = f"{project.path}/.venv/bin/{project.slug}"
    port = PORT if is_free(PORT) else 0
    os.execv(service, [service, "--env", "development", "--port", str(port)])  # noqa: S606


if __name__ == "__main__":
    main()
