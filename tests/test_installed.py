"""Every product, installed and started as its users do it."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import LAYOUTS, PYTHON, SERVERS, Bake, Project, clean_environment

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
def serving(project: Project, *command: str | Path) -> Iterator[str]:
    """Start a command in the project; yield the address, then stop it by SIGTERM."""
    process = subprocess.Popen(
        [*command, "--port", "0"],
        cwd=project.path,
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
        yield found[0]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("version", PYTHONS)
def test_it_installs_from_its_wheel_passes_its_tests_and_serves(
    version: str, server: str, layout: str, bake: Bake, tmp_path: Path
) -> None:
    """In a new environment, from the lock; the tests see the wheel only."""
    python = find_python(version)
    baked = bake(wsgi_server=server, config_layout=layout)
    project = Project(tmp_path / baked.path.name, baked.answers)
    shutil.copytree(baked.path, project.path)

    environment = project.path / ".venv"
    uv = PYTHON.with_name("uv")
    project.run(uv, "venv", "--quiet", "--python", python, environment)
    install = (uv, "pip", "install", "--quiet", "--python", environment)
    project.run(*install, "--require-hashes", "-r", "requirements-dev.txt")
    build = (uv, "build", "--quiet", "--wheel", "--no-build-isolation")
    project.run(*build, "--python", environment)
    (wheel,) = (project.path / "dist").glob("*.whl")
    project.run(*install, "--no-deps", wheel)
    shutil.rmtree(project.path / project.package)

    result = project.run(environment / "bin" / "python", "-m", "pytest", "-q")
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout
    module = (environment / "bin" / "python", "-m", project.package)
    with serving(project, *module, "--env", "testing") as url:
        check_service(url)
    command = environment / "bin" / project.slug
    with serving(project, command, "--env", "development") as url:
        check_service(url)


def test_make_test_make_lint_and_make_run_work_at_once(copy: Project) -> None:
    """As README.md says it, with nothing but Python."""
    assert " passed" in copy.run("make", "test").stdout
    copy.run("make", "lint")
    with serving(copy, copy.path / ".venv" / "bin" / copy.slug, "--debug") as url:
        check_service(url)
