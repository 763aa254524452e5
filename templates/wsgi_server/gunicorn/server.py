"""Run the application on gunicorn, which takes this process over."""

import os
import socket
import sys
from pathlib import Path

from .config.layers import Layers

CONFIG = Path(__file__).with_name("gunicorn.conf.py")


def serve(listener: socket.socket, layers: Layers) -> None:
    """Become gunicorn; it serves until SIGTERM or Ctrl-C.

    Args:
        listener: A bound TCP or Unix socket.
        layers: The settings. Each worker loads them again, at each reload, from what
            `create_app` is given here.

    """
    listener.set_inheritable(True)
    threads = layers.config["THREADS"]
    layers.give({"THREADS": threads})  # a reload changes neither
    command = [sys.executable, "-m", "gunicorn", "--config", str(CONFIG)]
    if listener.family == socket.AF_UNIX:
        # gunicorn takes this socket from systemd itself. The interpreter is the
        # one beside the command, through the link to the current release: after a
        # reload the workers are those of the release that is current then.
        command[0] = str(Path(sys.argv[0]).with_name("python3"))
    else:
        command += ["--bind", f"fd://{listener.fileno()}"]
    # A worker takes no more than it works on. The rest waits in the kernel's queue,
    # where a restart does not lose it.
    command += ["--threads", str(threads), "--worker-connections", str(threads)]
    if layers.config["LOG_FORMAT"] != "json":
        command += ["--logger-class", "gunicorn.glogging.Logger"]
    # gunicorn calls the factory itself, with literals: no variable carries them.
    command += [f"{__package__}:create_app({layers.given!r})"]
    os.execv(command[0], command)  # noqa: S606 - a shell is not wanted
