"""Projects with a database: every product of server, layout and database."""

import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import (
    ANSWERS,
    LAYOUTS,
    PYTHON,
    SERVERS,
    Project,
    clean_environment,
)
from tests.test_rendering import (
    LONG,
    check_files,
    check_parses,
    check_ruff,
    check_text,
)

DATABASES = ANSWERS["database"][1:]
PRODUCTS = list(itertools.product(SERVERS, LAYOUTS, DATABASES))
# Each server, each layout and each database at least once.
QUICK = [
    (SERVERS[0], LAYOUTS[0], "sqlite"),
    (SERVERS[1], LAYOUTS[1], "postgresql"),
    (SERVERS[2], LAYOUTS[2], "sqlite"),
    (SERVERS[0], LAYOUTS[3], "postgresql"),
]
SLOW = [
    pytest.param(*product, marks=pytest.mark.slow)
    for product in PRODUCTS
    if product not in QUICK
]


@pytest.mark.parametrize(("server", "layout", "database"), [*QUICK, *SLOW])
def test_each_product_renders_its_files(
    server: str, layout: str, database: str, bake: Bake
) -> None:
    """They parse, and have no lint findings, with the longest name."""
    project = bake(
        wsgi_server=server, config_layout=layout, database=database, project_slug=LONG
    )
    check_files(project)
    check_text(project)
    check_parses(project)
    check_ruff(project)


@pytest.mark.parametrize(("server", "layout", "database"), [*QUICK, *SLOW])
def test_its_tests_of_the_database_pass(
    server: str, layout: str, database: str, bake: Bake, tmp_path: Path
) -> None:
    """With warnings as errors; its types are right."""
    project = bake(wsgi_server=server, config_layout=layout, database=database)
    copy = Project(tmp_path / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    names = ("database", "engine", "factory", "health", "pages", "topics")
    files = [f"tests/test_{name}.py" for name in names]
    pytest_ = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    result = copy.run(*pytest_, *files, PYTHONPATH=str(copy.path))
    assert "skipped" not in result.stdout
    mypy = (PYTHON, "-m", "mypy", "--platform=linux", "--cache-dir", tmp_path / "mypy")
    copy.run(*mypy, "--strict", "--disallow-untyped-globals")


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
def test_all_its_tests_pass(database: str, bake: Bake, tmp_path: Path) -> None:
    """Those that have nothing to do with the database, too."""
    project = bake(database=database)
    copy = Project(tmp_path / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    command = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "skipped" not in copy.run(*command, PYTHONPATH=str(copy.path)).stdout


# A test that says where the server is, and never ends.
ENDLESS = """
import time

def test_endless(new_database):
    print(new_database(), flush=True)
    time.sleep(100)
"""
# The same without pytest, as the user who is named.
AS_USER = """
import os, pwd, sys, time
sys.path.insert(0, "tests")
import throwaway
if os.getuid() == 0:
    os.setuid(pwd.getpwnam("nobody").pw_uid)
with throwaway.server() as url:
    print(url, flush=True)
    time.sleep(100)
"""
STARTS = {
    "pytest": ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "tests"),
    "user": ("-c", AS_USER),
    "run": (
        *("tests/throwaway.py", "sh", "-c"),
        'echo "$MY_SERVICE_DATABASE_URL"; exec sleep 100',
    ),
}


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("pytest", signal.SIGKILL),
        ("pytest", signal.SIGINT),
        ("user", signal.SIGKILL),
        ("run", signal.SIGKILL),
        ("run", signal.SIGTERM),
    ],
)
def test_the_throwaway_server_ends_with_what_needs_it(
    kind: str, number: signal.Signals, bake: Bake, tmp_path: Path
) -> None:
    """However that ends: no process and no file is left."""
    project = bake(database="postgresql").copy_to(tmp_path)
    for path in (project.path / "tests").glob("test_*.py"):
        path.unlink()
    (project.path / "tests" / "test_endless.py").write_text(ENDLESS)
    with subprocess.Popen(
        [PYTHON, *STARTS[kind]],
        cwd=project.path,
        env={**clean_environment(), "PYTHONPATH": str(project.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        url = next(line for line in lines if line.startswith("postgresql"))
        directory = Path(url.strip().partition("?host=")[2])
        assert processes_in(directory)
        process.send_signal(number)
    deadline = time.monotonic() + 15
    while directory.exists() or processes_in(directory):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes_in(directory: Path) -> list[str]:
    """Return the processes that have a directory, or a file in it, as argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:  # it has ended
            continue
        if os.fsencode(directory) in line:
            found.append(path.parent.name)
    return found
