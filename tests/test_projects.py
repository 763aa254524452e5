"""Rendered projects work, in the locked versions that are installed here."""

import json
import sys
from pathlib import Path

import html5lib
import pytest

from tests.projects import PYTHON, Project

# Fetches pages as a browser and prints them, one after the other.
FETCH = """
import json, {package}
from flask import flash, render_template
app = {package}.create_app(dict(ENV="testing", PROPAGATE_EXCEPTIONS=False))
app.add_url_rule("/crash", view_func=lambda: 1 // 0)

@app.route("/flash")
def show():
    flash("Saved <b>")
    flash("Not sent", "error")
    return render_template("home.html", environment="testing")

client = app.test_client()
headers = dict(Accept="text/html")
paths = ("/", "/none", "/crash", "/flash")
print(json.dumps([client.get(path, headers=headers).text for path in paths]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its servers need POSIX")
def test_its_own_tests_pass(copy: Project) -> None:
    """In a few seconds, with all warnings as errors."""
    result = copy.run(
        *(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
        PYTHONPATH=str(copy.path),
    )
    assert " passed" in result.stdout
    if sys.platform == "linux":
        assert "skipped" not in result.stdout


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that the projects share: the libraries are checked once."""
    return tmp_path_factory.mktemp("mypy")


def test_its_types_are_right(copy: Project, mypy_cache: Path) -> None:
    """`mypy --strict` finds nothing."""
    # As it is served, wherever this runs.
    mypy = (PYTHON.with_name("mypy"), "--platform=linux", "--cache-dir", mypy_cache)
    copy.run(*mypy, "--strict", "--disallow-untyped-globals")


def test_its_pages_are_html_without_a_mistake(project: Project) -> None:
    """By a parser that follows the standard and forgives nothing."""
    code = FETCH.format(package=project.package)
    output = project.run(PYTHON, "-W", "ignore", "-c", code).stdout
    pages = json.loads(output.splitlines()[-1])
    for page in pages:
        assert page.startswith("<!DOCTYPE html>")
        html5lib.HTMLParser(strict=True).parse(page)
    assert '<p class="flash message" role="status">Saved &lt;b&gt;</p>' in pages[-1]
    assert '<p class="flash error" role="status">Not sent</p>' in pages[-1]


def test_repo_review_finds_nothing(copy: Project) -> None:
    """Scientific Python's list of good habits, each of them kept."""
    for arguments in (("init", "--quiet"), ("add", "--all")):
        copy.run("git", *arguments)
    command = (PYTHON.with_name("repo-review"), "--format", "json", ".")
    checks = json.loads(copy.run(*command).stdout)["checks"]
    failed = [name for name, check in checks.items() if check["result"] is False]
    assert failed == []
    assert sum(check["result"] is True for check in checks.values()) > 40
