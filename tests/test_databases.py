"""Projects with a database: every product of server, layout and database."""

import itertools
import shutil
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import ANSWERS, LAYOUTS, PYTHON, SERVERS, Project
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
