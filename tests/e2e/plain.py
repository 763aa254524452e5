"""nginx and the server as two processes of an ordinary user, without systemd.

The site is the project's own, with the addresses, directories and
the socket moved to where that user may use them.
"""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.projects import PYTHON, Project, clean_environment

from .client import Client
from .service import eventually

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")

# Does what systemd does with a socket, and becomes the command.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""

CONFIG = """
{user}
daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {directory}/body;
    fastcgi_temp_path {directory}/fastcgi;
    proxy_temp_path {directory}/proxy;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    include {directory}/site.conf;
}}
"""


@dataclass
class Plain:
    """A project that is served by processes of ours."""

    project: Project
    directory: Path
    client: Client
    redirecting: Client
    application: subprocess.Popen[bytes]

    def nginx_log(self) -> str:
        """Return what nginx has logged of requests."""
        (path,) = self.directory.glob("*.access.log")
        return path.read_text()

    def application_log(self) -> str:
        """Return what the application has logged."""
        return (self.directory / "application.log").read_text()


def missing() -> list[str]:
    """Return what is missing here."""
    return [] if NGINX else ["nginx"]


def free_ports(number: int) -> list[int]:
    """Return free ports."""
    with contextlib.ExitStack() as stack:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
        for listener in sockets:
            stack.enter_context(listener)
        return [listener.getsockname()[1] for listener in sockets]


def site_of(project: Project, directory: Path, ports: Sequence[int]) -> str:
    """Return the project's nginx site for this directory and these ports."""
    slug = project.slug
    files = ("nginx.conf", "nginx-default.conf")
    text = "".join((project.path / "deploy" / name).read_text() for name in files)
    for old, new in {
        r" *listen \[::\].*\n": "",
        r"listen 80\b": f"listen 127.0.0.1:{ports[0]}",
        r"listen 443\b": f"listen 127.0.0.1:{ports[1]}",
        r" *http2 on;\n": "",  # an error before nginx 1.25
        rf"/srv/{slug}/current/deploy": f"{project.path}/deploy",
        rf"/srv/{slug}/current/static": f"{project.path}/{project.package}/static",
        rf"/run/{slug}/{slug}.sock": f"{directory}/socket",
        rf"/etc/{slug}/tls": str(directory),
        r"/var/log/nginx": str(directory),
        r"include uwsgi_params": "include /etc/nginx/uwsgi_params",
    }.items():
        text = re.sub(old, new, text)
    return text


def make_command(project: Project, directory: Path) -> str:
    """Make the project's command, beside the interpreter as in a release."""
    command = directory / "bin" / project.slug
    command.parent.mkdir()
    start = f"from {project.package}.__main__ import main"
    command.write_text(f"#!{PYTHON}\n{start}\nmain()\n")
    command.with_name("python3").write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    for path in command.parent.iterdir():
        path.chmod(0o755)
    return str(command)


def make_certificate(directory: Path, name: str) -> None:
    """Make a certificate that signs itself."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={name}"]
    command += ["-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run(command, check=True, cwd=directory, capture_output=True)


@contextlib.contextmanager
def serve(project: Project, ports: Sequence[int] = ()) -> Generator[Plain]:
    """Serve a project until the end of the block.

    Args:
        project: With `https` or without.
        ports: What to listen on in place of 80 and 443; by default, what is free.

    """
    assert NGINX
    name = str(project.answers["server_name"]).split()[0]
    tls = project.answers["https"] == "yes"
    with contextlib.ExitStack() as stack:
        # A short path: the name of a Unix socket has at most 107 bytes.
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="e2e-"))
        )
        ports = ports or free_ports(2)
        make_certificate(directory, name)
        (directory / "site.conf").write_text(site_of(project, directory, ports))
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        config = CONFIG.format(directory=directory, user=user)
        (directory / "nginx.conf").write_text(config)

        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(directory / "socket"))
        listener.listen(1024)
        secret = {f"{project.prefix}SECRET_KEY": "only-for-the-tests-0123456789abcdef"}
        command = make_command(project, directory)
        application = [str(PYTHON), "-c", ACTIVATE, str(listener.fileno()), command]
        env = {**clean_environment(), **secret, "PYTHONPATH": str(project.path)}
        log = stack.enter_context((directory / "application.log").open("wb"))
        nginx = [NGINX, "-p", str(directory), "-c", f"{directory}/nginx.conf"]
        processes = []
        for arguments in (application, nginx):
            process = subprocess.Popen(
                arguments,
                cwd=directory,
                env=env,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
            )
            processes.append(process)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        client = Client(name, ports[tls], tls)
        redirecting = Client(name, ports[0])
        try:
            eventually(lambda: answers(client) or any(p.poll() for p in processes))
            assert answers(client)
        except AssertionError:
            text = (directory / "application.log").read_text()
            raise AssertionError(text) from None
        yield Plain(project, directory, client, redirecting, processes[0])


def answers(client: Client) -> bool:
    """Return whether a site answers."""
    try:
        return client.get("/healthz").status == 200
    except OSError:
        return False
