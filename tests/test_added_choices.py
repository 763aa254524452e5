"""A server and a layout are added as CONTRIBUTING.md says, and work."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

from tests.projects import PYTHON, ROOT, Project, clean_environment

from .test_installed import check_command

pytestmark = pytest.mark.slow

SERVER = '''"""Run the application on wsgiref, one request at a time."""

import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from . import create_app, lines
from .config.layers import Layers

LOG = logging.getLogger(__name__)


class Handler(WSGIRequestHandler):
    """Handle a request; nginx keeps the access log."""

    def log_message(self, *_arguments: object) -> None:
        """Write nothing."""


class Server(WSGIServer):
    """Serve a socket that listens already."""

    timeout = 0.1

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a connection and its address; one of a Unix socket has none."""
        connection, address = self.socket.accept()
        return connection, address or ("", 0)


def serve(listener: socket.socket, layers: Layers) -> None:
    """Serve until SIGTERM or Ctrl-C; behind nginx, SIGHUP restarts the program."""
    if layers.config["LOG_FORMAT"] == "json":
        lines.capture()
    server = Server(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = "localhost", 0
    server.setup_environ()
    server.set_app(create_app(layers))
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if listener.family == socket.AF_UNIX:
        signal.signal(signal.SIGHUP, stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            try:
                connection.sendto(b"READY=1", address)
            except OSError as error:
                LOG.warning("cannot write to NOTIFY_SOCKET: %s", error)
    while not received:
        server.handle_request()
    if received[0] == signal.SIGHUP:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        listener.set_inheritable(True)
        os.execv(sys.argv[0], sys.argv)  # noqa: S606 - a shell is not wanted
'''
FILES = {
    "wsgi_server/wsgiref": {
        "server.py": SERVER,
        "nginx_pass.conf": (
            "{% include cookiecutter.__parts ~ 'nginx/pass_http.conf' %}\n"
        ),
        "requirements.txt": "",
        "choice.jinja": (
            "{% set link = '[wsgiref](https://docs.python.org/3/)' %}\n"
            "{% set runs = 'wsgiref' %}\n"
            "{% set requirements = [] %}\n"
            "{% set concurrency = 'one request at a time' %}\n"
            "{% set pass = 'proxy' %}\n"
        ),
    }
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template with one more server and one more layout."""
    path = tmp_path_factory.mktemp("added") / "template"
    ignored = shutil.ignore_patterns(".*", "build", "judges", "benchmarks", "tests")
    shutil.copytree(ROOT, path, ignore=ignored)
    project = "{{cookiecutter.project_slug}}"
    shutil.copytree(ROOT / project, path / project, dirs_exist_ok=True)
    for folder, files in FILES.items():
        (path / "templates" / folder).mkdir()
        for name, text in files.items():
            (path / "templates" / folder / name).write_text(text)
    add_layout(path)
    add_choice(path, "wsgi_server", "wsgiref")
    add_choice(path, "config_layout", "conf")
    (path / "tests").mkdir()
    for name in ("__init__.py", "projects.py"):
        shutil.copy(ROOT / "tests" / name, path / "tests")
    command = [str(PYTHON), "-m", "scripts.hooks"]
    subprocess.run(command, check=True, cwd=path, env=clean_environment(), timeout=60)
    return path


def add_layout(template: Path) -> None:
    """Add a layout that is `cfg` with files of another name."""
    layouts = template / "templates" / "config_layout"
    shutil.copytree(layouts / "cfg", layouts / "conf")
    package = template / "{{cookiecutter.project_slug}}" / "{{cookiecutter.__package}}"
    for file in (layouts / "conf").iterdir():
        file.write_text(re.sub(r"\bcfg\b", "conf", file.read_text()))
    for file in (layouts / "conf").glob("*.cfg"):
        new = file.rename(file.with_suffix(".conf")).name
        condition = (
            "{% if cookiecutter.config_layout == 'conf' %}" + new + "{% endif %}"
        )
        source = f"config_layout/conf/{new}"
        include = "{% include cookiecutter.__parts ~ '" + source + "' %}\n"
        (package / "config" / condition).write_text(include)


def add_choice(template: Path, question: str, choice: str) -> None:
    """Add a choice and its label to cookiecutter.json."""
    file = template / "cookiecutter.json"
    answers = json.loads(file.read_text())
    answers[question].append(choice)
    answers["__prompts__"][question][choice] = f"{choice}: for this test"
    file.write_text(json.dumps(answers))


@pytest.mark.parametrize(
    "answers",
    [
        {"wsgi_server": "wsgiref"},
        {"config_layout": "conf"},
        {"wsgi_server": "wsgiref", "config_layout": "conf"},
    ],
    ids=lambda answers: "-".join(answers.values()),
)
def test_an_added_choice_bakes_passes_its_tests_and_starts(
    answers: dict[str, str], template: Path, tmp_path: Path
) -> None:
    """Every file that mentions the choice is reached by its name."""
    path = cookiecutter(
        str(template), no_input=True, extra_context=answers, output_dir=str(tmp_path)
    )
    project = Project(Path(path), {"__package": "my_service"})
    for command in (
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("pytest", "-q"),
    ):
        project.run(PYTHON, "-m", *command, PYTHONPATH=path)
    check_command(project.path, PYTHON, "-m", "my_service", "--env", "development")
