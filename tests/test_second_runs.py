"""A second run, an update and a switch of server or layout lose no work."""

import itertools
import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException

from tests.projects import (
    LAYOUTS,
    PYTHON,
    ROOT,
    SERVERS,
    Project,
    bake_literally,
    clone_template,
    cruft,
    files_of,
    git,
    literal_answers,
)

PRODUCTS = list(itertools.product(SERVERS, LAYOUTS))

# What owners put into a project, in every kind of place and of every kind.
OWN_FILES = {
    ".env": b"MY_SERVICE_SECRET_KEY=a secret\n",
    "Dockerfile": b"FROM debian\n",
    "notes.md": b"# Notes\n",
    "settings.toml": b'SECRET_KEY = "a secret"\n',
    "my_service/orders.py": b"ORDERS = []\n",
    "my_service/templates/orders.html": b"<p>{{ orders }}</p>\n",
    "my_service/static/logo.png": bytes(range(256)),
    "my_service/config/local.cfg": b"A = 1\n",
    "deploy/local.conf": b"gzip off;\n",
    "tests/test_orders.py": b"def test_orders(): pass\n",
    ".github/workflows/release.yml": b"name: release\n",
    "instance/orders.sqlite": b"SQLite format 3\x00",
    "scripts/backup": b"#!/bin/sh\n",
}


def add_own_files(project: Path) -> None:
    """Put the owner's files into a project."""
    for name, content in OWN_FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (project / "scripts" / "backup").chmod(0o755)
    (project / "latest").symlink_to("notes.md")


def check_own_files(project: Path) -> None:
    """Fail unless each is as it was."""
    for name, content in OWN_FILES.items():
        assert (project / name).read_bytes() == content, name
    assert (project / "scripts" / "backup").stat().st_mode & 0o777 == 0o755
    assert (project / "latest").readlink() == Path("notes.md")


def bake_over(output: Path, server: str, layout: str, *, skip: bool) -> Path:
    """Bake into a directory that may hold a project, with `-f` or with `-f -s`."""
    flags = ("-f", "-s") if skip else ("-f",)
    return bake_literally(output, *flags, wsgi_server=server, config_layout=layout).path


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["-f", "-s"])
@pytest.mark.parametrize("old", PRODUCTS, ids="-".join)
def test_baking_over_a_project_keeps_the_owners_files(
    old: tuple[str, str], flag: str, tmp_path: Path
) -> None:
    """With the same answers, and with every other server and layout."""
    project = bake_over(tmp_path, *old, skip=False)
    add_own_files(project)
    readme = project / "README.md"
    readme.write_text("My own words\n")
    for server, layout in PRODUCTS:
        # With -s and other answers, old files and new ones do not fit together: the
        # hook says so, and that is all it does.
        with suppress(FailedHookException):
            bake_over(tmp_path, server, layout, skip=flag == "-s")
        check_own_files(project)
        assert (readme.read_text() == "My own words\n") == (flag == "-s")


def test_a_second_run_without_a_flag_changes_nothing(tmp_path: Path) -> None:
    """Cookiecutter stops, and the hook with it."""
    project = bake_over(tmp_path, *PRODUCTS[0], skip=False)
    before = files_of(project)
    result = run_cookiecutter("-o", str(tmp_path), str(ROOT))
    assert result.returncode != 0
    assert "already exists" in result.stdout + result.stderr
    assert files_of(project) == before


def test_a_refused_second_run_changes_nothing(tmp_path: Path) -> None:
    """Bad answers are found before the first file is written."""
    project = bake_over(tmp_path, *PRODUCTS[0], skip=False)
    before = files_of(project)
    answers = ("server_name=$host", "wsgi_server=uwsgi")
    result = run_cookiecutter("-f", "-o", str(tmp_path), str(ROOT), *answers)
    assert result.returncode != 0
    assert files_of(project) == before


def run_cookiecutter(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as its users do."""
    command = [str(PYTHON), "-m", "cookiecutter", "--no-input", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of the template: the last release, and this tree on top.

    Before there are two releases, the commit before this one stands for the last.
    """
    clone = clone_template(tmp_path_factory.mktemp("template"))
    releases = git(clone, "tag", "--list", "v*", "--sort=-version:refname").split()
    commits = git(clone, "rev-list", "--skip=1", "--max-count=2", "HEAD").split()
    git(clone, "branch", "last", releases[0] if len(releases) > 1 else commits[-1])
    return clone


def create(template: Path, output: Path, checkout: str, **answers: str) -> Project:
    """Create a project by cruft, add the owner's files and edits, commit all."""
    full = literal_answers(**answers)
    extra = json.dumps({k: v for k, v in full.items() if not k.startswith("_")})
    options = ("--no-input", "--checkout", checkout, "--output-dir", str(output))
    cruft(output, "create", str(template), *options, "--extra-context", extra)
    project = Project(output / full["project_slug"], full)
    add_own_files(project.path)
    pages = project.path / project.package / "pages.py"
    text = pages.read_text().replace("Show the home page.", "Show my own home page.")
    pages.write_text(text + MY_VIEW)
    git(project.path, "init", "--quiet")
    git(project.path, "add", "--all", "--force")
    git(project.path, "commit", "--quiet", "--message", "mine")
    return project


MY_VIEW = '''

@bp.get("/orders")
def orders() -> str:
    """Show the orders."""
    return "orders"
'''


def check_updated(project: Project) -> None:
    """Nothing is lost, nothing is in conflict, and the tests pass."""
    check_own_files(project.path)
    pages = (project.path / project.package / "pages.py").read_text()
    assert "my own home page" in pages
    assert MY_VIEW in pages
    assert list(project.path.rglob("*.rej")) == []
    assert git(project.path, "ls-files", "--unmerged") == ""
    project.run(PYTHON, "-m", "pytest", "-q", PYTHONPATH=str(project.path))


@pytest.mark.slow
@pytest.mark.parametrize(("server", "layout"), PRODUCTS)
def test_a_project_of_the_last_release_is_updated(
    server: str, layout: str, template: Path, tmp_path: Path
) -> None:
    """`cruft update` merges what is new with what the owner has done."""
    answers = {"wsgi_server": server, "config_layout": layout}
    project = create(template, tmp_path, "last", **answers)
    cruft(project.path, "update", "--skip-apply-ask", "--checkout", "newest")
    check_updated(project)


@pytest.mark.slow
@pytest.mark.parametrize("new", SERVERS)
@pytest.mark.parametrize("old", SERVERS)
def test_a_project_moves_to_another_server(
    old: str, new: str, template: Path, tmp_path: Path
) -> None:
    """`cruft update --variables-to-update` is all it takes."""
    project = create(template, tmp_path, "newest", wsgi_server=old)
    variables = json.dumps({"wsgi_server": new})
    cruft(
        *(project.path, "update", "--skip-apply-ask", "--checkout", "newest"),
        *("--variables-to-update", variables),
    )
    check_updated(project)
    assert new in (project.path / "pyproject.toml").read_text()
