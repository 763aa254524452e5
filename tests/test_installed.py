"""Every product, installed and started as its users do it."""

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import Bake
from tests.projects import LAYOUTS, PYTHON, ROOT, SERVERS, Project, clean_environment

pytestmark = pytest.mark.slow

PYTHONS = ("3.11", "3.12", "3.13")


def find_python(version: str) -> str:
    """Return the interpreter of a version, or skip."""
    found = shutil.which(f"python{version}")
    check = [found or "false", "-c", "import venv"]
    if subprocess.run(check, check=False, capture_output=True).returncode:
        pytest.skip(f"there is no python{version} on PATH")
    return str(found)


@contextmanager
def serving(
    directory: Path, *command: str | Path
) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Start a command; yield the address that it names, and its process."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=clean_environment(),
        start_new_session=True,
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = None
        while not found:
            line = process.stdout.readline()
            assert line, "it ended without naming its address"
            found = re.search(r"http://[0-9.:]+", line)
        yield found[0], process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


def check_command(directory: Path, *command: str | Path) -> None:
    """Start the service on a free port, ask it, and stop it by SIGTERM."""
    with serving(directory, *command, "--port", "0") as (url, process):
        check_service(url)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0


def get(url: str) -> HTTPResponse:
    """Return the answer to a request."""
    answer: HTTPResponse = urlopen(url, timeout=30)
    return answer


def check_service(url: str) -> None:
    """Ask for pages, data and files."""
    assert json.load(get(f"{url}/healthz"))["status"] == "ok"
    assert json.load(get(f"{url}/readyz"))["status"] == "ok"
    assert b"<h1>" in get(f"{url}/").read()
    assert get(f"{url}/static/style.css").headers["Content-Type"].startswith("text/css")


def install(
    project: Project, environment: Path, lock: str, python: str | Path = PYTHON
) -> Path:
    """Install a project, built, into a new environment with its locked packages.

    Return the wheel.
    """
    uv = PYTHON.with_name("uv")
    project.run(uv, "venv", "--quiet", "--python", python, environment)
    install = (uv, "pip", "install", "--quiet", "--python", environment)
    for name in {lock, "requirements-build.txt"}:
        project.run(*install, "--require-hashes", "-r", name)
    build = (uv, "build", "--quiet", "--wheel", "--no-build-isolation")
    project.run(*build, "--python", environment)
    (wheel,) = (project.path / "dist").glob("*.whl")
    project.run(*install, "--no-deps", wheel)
    return wheel


def python_for(server: str, layout: str) -> str:
    """Return the Python for a product: each server and layout meets each of them."""
    return PYTHONS[(SERVERS.index(server) + LAYOUTS.index(layout)) % len(PYTHONS)]


@pytest.mark.parametrize(
    ("server", "layout", "version"),
    [
        (*product, python_for(*product))
        for product in itertools.product(SERVERS, LAYOUTS)
    ],
)
def test_it_installs_from_its_wheel_passes_its_tests_and_serves(
    server: str, layout: str, version: str, bake: Bake, tmp_path: Path
) -> None:
    """In a new environment, from the lock; the tests see the wheel only."""
    python = find_python(version)
    project = bake(wsgi_server=server, config_layout=layout).copy_to(tmp_path)

    environment = project.path / ".venv"
    install(project, environment, "requirements-dev.txt", python)
    shutil.rmtree(project.path / project.package)

    result = project.run(environment / "bin" / "python", "-m", "pytest", "-q")
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout
    module = (environment / "bin" / "python", "-m", project.package)
    check_command(project.path, *module, "--env", "testing")
    command = environment / "bin" / project.slug
    check_command(project.path, command, "--env", "development")


@pytest.mark.parametrize(
    ("server", "layout"),
    [
        (SERVERS[number % len(SERVERS)], LAYOUTS[number % len(LAYOUTS)])
        for number in range(max(len(SERVERS), len(LAYOUTS)))
    ],
)
def test_make_test_make_lint_and_make_run_work_at_once(
    server: str, layout: str, bake: Bake, tmp_path: Path
) -> None:
    """As README.md says it, with nothing but Python."""
    copy = bake(wsgi_server=server, config_layout=layout).copy_to(tmp_path)
    assert " passed" in copy.run("make", "test").stdout
    copy.run("make", "lint")
    check_command(copy.path, copy.path / ".venv" / "bin" / copy.slug, "--debug")


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_make_demo_names_an_address_that_answers(taken: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """On port 8000, or on another one when that is taken; from a fresh clone."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".venv", "build"))
    with ExitStack() as stack:
        if taken:
            # Somebody else may have it already, which serves as well.
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", 8000)))
        url, _ = stack.enter_context(serving(clone, "make", "demo"))
        check_service(url)
        assert not (taken and url.endswith(":8000"))
