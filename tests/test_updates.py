"""Projects of every version of the template are updated to this one, by cruft."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import (
    ANSWERS,
    LAYOUTS,
    PYTHON,
    ROOT,
    SERVERS,
    Project,
    clone_template,
    commit,
    cruft,
    files_of,
    git,
)

RELEASES: dict[str, str] = tomllib.loads((ROOT / "tests/releases.toml").read_text())
# Each server and each layout.
PRODUCTS = [
    (server or SERVERS[0], layout or LAYOUTS[0])
    for server, layout in zip_longest(SERVERS, LAYOUTS)
]
# The newest version with each of them, an older one with one of them.
EDITED = [
    (version, *PRODUCTS[number % len(PRODUCTS)])
    for back, version in enumerate(reversed(RELEASES))
    for number in (range(len(PRODUCTS)) if back == 0 else [back])
]
GUIDE = (ROOT / "docs/fork.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()

# What owners do: add to the end of a file, or after a line; replace a file; remove it.
ADDED = {
    "shop/pages.py": (
        r"\Z",
        '\n\n@bp.get("/carts")\ndef carts():\n    return "carts"\n',
    ),
    "pyproject.toml": (r"(?m)^dependencies = \[\n", '  "click>=8.1,<9",\n'),
    "deploy/nginx.conf": (
        r"\}\n\Z",
        "    location = /own {\n        return 204;\n    }\n",
    ),
    "deploy/shop.service": (r"(?m)^\[Service\]\n", "Environment=OWN=1\n"),
}
REPLACED = ("deploy/error.html", "<!doctype html>\n<title>Our own page</title>\n")
REMOVED = "docs/from-a-script.md"


def history() -> None:
    """Skip the test in a checkout that lacks commits; in CI that is a failure."""
    for version, sha in RELEASES.items():
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{sha}^{{commit}}"],
            check=False,
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        if found.returncode:
            reason = f"needs the commit of version {version}: git fetch --unshallow"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


def test_each_version_is_a_commit_and_has_an_entry_in_the_changelog() -> None:
    """In the same order; the newest entry is what would be released now."""
    history()
    entries = re.findall(r"(?m)^## (\S+)", CHANGELOG)
    assert entries[0] == ANSWERS["__version"]
    assert entries[::-1][: len(RELEASES)] == list(RELEASES)
    assert len(entries) <= len(RELEASES) + 1
    shas = [*RELEASES.values(), "HEAD"]
    for older, newer in pairwise(shas):
        git(ROOT, "merge-base", "--is-ancestor", older, newer)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with all versions, and with this tree as the newest."""
    history()
    return clone_template(tmp_path_factory.mktemp("template"))


Old = Callable[[str, str, str], Project]


@pytest.fixture
def old(template: Path, tmp_path: Path) -> Old:
    """Return a function that returns a project of an older version."""

    def old(version: str, server: str, layout: str) -> Project:
        answers = {
            "project_slug": "shop",
            "wsgi_server": server,
            "config_layout": layout,
        }
        made = Project(tmp_path / "shop", answers)
        command = ("create", "--no-input", "--checkout", RELEASES[version])
        extra = ("--extra-context", json.dumps(answers), "--output-dir", str(tmp_path))
        cruft(tmp_path, *command, *extra, str(template))
        commit(made.path)
        return made

    return old


def update(project: Project) -> dict[str, bytes]:
    """Update a project to this version; return its files without cruft's own."""
    cruft(project.path, "update", "--skip-apply-ask")
    return {
        name: content
        for name, content in files_of(project.path).items()
        if name != ".cruft.json" and not name.startswith(".git/")
    }


def edit(project: Project) -> None:
    """Do what owners do."""
    for name, (place, text) in ADDED.items():
        file = project.path / name
        old = file.read_text()
        [found] = list(re.finditer(place, old))[-1:]
        at = found.start() if place.startswith(r"\}") else found.end()
        file.write_text(f"{old[:at]}{text}{old[at:]}")
    name, text = REPLACED
    (project.path / name).write_text(text)
    (project.path / REMOVED).unlink()
    (project.path / "shop" / "carts.py").write_text('"""The owner\'s."""\n')
    commit(project.path)


def fresh(bake: Bake, project: Project) -> dict[str, bytes]:
    """Return the files of a project that this version renders from the answers."""
    return files_of(bake(**project.answers).path)


@pytest.mark.slow
@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize(("server", "layout"), PRODUCTS)
def test_an_untouched_project_becomes_a_fresh_one(
    version: str, server: str, layout: str, old: Old, bake: Bake
) -> None:
    """From every version, without a conflict."""
    project = old(version, server, layout)
    assert update(project) == fresh(bake, project)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "server", "layout"), EDITED)
def test_an_update_keeps_what_the_owner_has_done(
    version: str, server: str, layout: str, old: Old, bake: Bake
) -> None:
    """Conflicts are only in files that the owner has edited; its tests pass then."""
    project = old(version, server, layout)
    edit(project)
    found = update(project)
    new = fresh(bake, project)
    edited = {*ADDED, REPLACED[0], REMOVED, "shop/carts.py"}
    conflicts = {
        name.removesuffix(".rej")
        for name, content in found.items()
        if name.endswith(".rej") or b"\n<<<<<<<" in b"\n" + content
    }
    assert conflicts <= edited
    for name, (_, text) in ADDED.items():
        assert text in found[name].decode(), f"lost: {text}"
    assert REPLACED[1].encode() in found[REPLACED[0]]
    assert found["shop/carts.py"]
    others = {name for name in found | new if name.removesuffix(".rej") not in edited}
    assert {name: found.get(name) for name in others} == {
        name: new.get(name) for name in others
    }
    if not conflicts:
        assert REMOVED not in found
        command = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        project.run(*command, PYTHONPATH=str(project.path))


@pytest.mark.slow
def test_a_fork_merges_the_next_version(template: Path, tmp_path: Path) -> None:
    """As docs/fork.md says: defaults and files of its own are never in conflict."""
    fork = tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", str(template), "fork")
    git(fork, "checkout", "--quiet", "-b", "team", list(RELEASES.values())[-1])
    [defaults] = re.findall(r"```sh\n(cat .*?\n)cookiecutter ", GUIDE, re.DOTALL)
    subprocess.run(["sh", "-ec", defaults], check=True, cwd=fork)
    own = fork / "{{cookiecutter.project_slug}}" / "docs" / "on-call.md"
    own.write_text("# On call at {{ cookiecutter.project_name }}\n")
    git(fork, "add", "--all")
    git(fork, "commit", "--quiet", "--message", "Defaults and a file of the team")
    git(fork, "merge", "--quiet", "origin/newest")
    cookie = (PYTHON.with_name("cookiecutter"), "--no-input", "--output-dir", tmp_path)
    Project(fork, {}).run(*cookie, "--config-file", "team.yaml", ".")
    project = Project(tmp_path / "my-service", {})
    assert (project.path / "docs/on-call.md").read_text() == "# On call at My Service\n"
    assert "The Orders Team" in (project.path / "pyproject.toml").read_text()
    assert "orders.example" in (project.path / "deploy/nginx.conf").read_text()
