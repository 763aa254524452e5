"""Copier makes the same projects, refuses the same answers, and loses nothing."""

import json
import os
import re
import shutil
import stat
import subprocess
import warnings
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from scripts import hooks
from scripts.copier import FILE, written
from tests.projects import (
    LAYOUTS,
    PYTHON,
    ROOT,
    SERVERS,
    Project,
    bake_literally,
    clean_environment,
    commit,
    copy_template,
    files_of,
)

from .test_answers import BAD

ANSWERS_FILE = ".copier-answers.yml"
CHOICES = hooks.choices()
SETS = [
    {name: values[number % len(values)] for name, values in CHOICES.items()}
    for number in range(max(map(len, CHOICES.values())))
]
GOOD: list[dict[str, str]] = [
    *SETS,  # each choice of each question
    {
        "project_name": 'Größe "Äpfel" & <b>Ço</b> {{ 7*7 }} #{% raw %} \\',
        "project_slug": "a-name-as-long-as-is-allowed30",
        "description": "100 % of it's \"text\": {{ cookiecutter }} – 東京 'x' \\n",
        "author_name": "Ana <b>, ünd \\ 'Co'",
        "author_email": "o'brien+x@example.com",
        "server_name": "example.org www.example.org xn--mnchen-3ya.example",
    },
    {"project_name": "JSON 2", "project_slug": "json-2"},
]
# A server with files of its own, and another one.
OLD = list(hooks.files()["wsgi_server"])[-1]
NEW = next(server for server in SERVERS if server != OLD)
CI = CHOICES["ci"][-1]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template, which is no repository."""
    return copy_template(tmp_path_factory.mktemp("template") / "template")


def copy(template: Path, project: Path, **answers: str) -> None:
    """Copy the template as `copier copy --defaults --data NAME=VALUE` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copier.run_copy(str(template), project, data=answers, defaults=True, quiet=True)


def look(project: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of each path of a project, but for Copier's own file."""
    return {
        str(path.relative_to(project)): (
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in project.rglob("*")
        if path.name != ANSWERS_FILE
    }


def check_same(
    template: Path, tmp_path: Path, answers: dict[str, str]
) -> dict[str, Any]:
    """Compare the projects of both tools; return the answers that Copier has noted."""
    (tmp_path / "cookiecutter").mkdir()
    baked = bake_literally(tmp_path / "cookiecutter", **answers)
    project = tmp_path / "copier"
    copy(template, project, **answers)
    assert look(project) == look(baked.path)
    noted: dict[str, Any] = yaml.safe_load((project / ANSWERS_FILE).read_text())
    return noted


def test_its_questions_are_those_of_cookiecutter() -> None:
    """`make hooks` has been run."""
    assert FILE.read_text(encoding="utf-8") == written()


@pytest.mark.parametrize("answers", GOOD)
def test_it_makes_the_same_project(
    template: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    """Byte for byte, with the same modes; only the file with the answers is added."""
    noted = check_same(template, tmp_path, answers)
    assert {k: v for k, v in noted.items() if k in answers} == answers


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("server", SERVERS)
def test_it_makes_the_same_product(
    template: Path, tmp_path: Path, server: str, layout: str
) -> None:
    """Of each server and layout."""
    check_same(template, tmp_path, {"wsgi_server": server, "config_layout": layout})


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        *(
            ("JSON", "json-api"),
            ("Größe Äpfel", "grosse-apfel"),
            ("東京", "my-service"),
        ),
        *(("9 lives", "my-service"), ("x" * 60, "x" * 30), ("a" * 29 + " b", "a" * 29)),
    ],
)
def test_the_short_name_that_it_offers_is_good(
    template: Path, tmp_path: Path, name: str, slug: str
) -> None:
    """One that is refused would end the questions with a traceback."""
    copy(template, tmp_path / "project", project_name=name)
    noted = yaml.safe_load((tmp_path / "project" / ANSWERS_FILE).read_text())
    assert noted["project_slug"] == slug


REFUSED = [
    *(("wsgi_server", "no-server"), ("https", "true"), ("wsgi_sever", NEW)),
    *(("project_slug", path) for path in ("../evil", "a/b", "a\\b", ".", "")),
    *{name: (name, value) for name, value, _ in BAD}.values(),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *REFUSED,
        *(
            pytest.param(name, value, marks=pytest.mark.slow)
            for name, value, _ in BAD
            if (name, value) not in REFUSED
        ),
    ],
)
def test_it_refuses_a_bad_answer_and_leaves_nothing(
    template: Path, tmp_path: Path, name: str, value: str
) -> None:
    """The same ones as the hook does; the message names the answer."""
    with pytest.raises(ValueError, match=name):
        copy(template, tmp_path / "project", **{name: value})
    assert list(tmp_path.iterdir()) == []


# --- Updates -----------------------------------------------------------------------


@pytest.fixture
def versions(template: Path, tmp_path: Path) -> Path:
    """Return a repository with the template as v1.0.0, and with changes as v1.1.0."""
    repository = tmp_path / "versions"
    shutil.copytree(template, repository)
    commit(repository, "v1.0.0")
    for path, old, new in (
        ("{{cookiecutter.project_slug}}/README.md", "\n## ", "\nA new line.\n\n## "),
        ("{{cookiecutter.project_slug}}/.gitignore", "", "/new-in-the-template\n"),
    ):
        file = repository / path
        file.write_text(file.read_text().replace(old, new, 1))
    commit(repository, "v1.1.0")
    return repository


@pytest.fixture
def living(versions: Path, tmp_path: Path) -> Project:
    """Return a project of v1.0.0 with edits of its owner."""
    answers = {"project_slug": "shop", "wsgi_server": OLD, "ci": CI}
    path = tmp_path / "shop"
    data = [word for item in answers.items() for word in ("--data", "=".join(item))]
    run(tmp_path, "copy", "--vcs-ref", "v1.0.0", *data, str(versions), str(path))
    (path / "shop" / "carts.py").write_text('"""The owner\'s."""\n')
    for name in (own_files()[0], "deploy/nginx.conf"):
        file = path / name
        file.write_text(f"{file.read_text()}\n# the owner's\n")
    commit(path)
    return Project(path, answers)


def own_files() -> list[str]:
    """Return the files that only the old server has."""
    return [name.replace("{p}", "shop") for name in hooks.files()["wsgi_server"][OLD]]


def run(directory: Path, command: str, *arguments: str) -> str:
    """Run Copier with the defaults; return what it prints, whatever becomes of it."""
    executable = PYTHON.with_name("copier")
    return subprocess.run(
        [executable, command, "--defaults", *arguments],
        check=False,
        cwd=directory,
        env=clean_environment(),
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    ).stdout


def changes(project: Path) -> str:
    """Return what differs from the last commit."""
    command = ["git", "status", "--short", "--untracked-files=all"]
    return subprocess.run(
        command, check=True, cwd=project, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.mark.slow
def test_an_update_merges_what_is_new_with_what_the_owner_has_done(
    living: Project,
) -> None:
    """And nothing else changes."""
    run(living.path, "update")
    names = {line[3:] for line in changes(living.path).splitlines()}
    assert names == {ANSWERS_FILE, ".gitignore", "README.md"}
    assert "new-in-the-template" in (living.path / ".gitignore").read_text()


@pytest.mark.slow
def test_another_server_names_the_files_that_go(living: Project) -> None:
    """An edit in one of them is in git, and is not lost silently."""
    said = run(living.path, "update", "--data", f"wsgi_server={NEW}")
    assert f"wsgi_server was {OLD}" in said
    for name in own_files():
        assert f"  {name}\n" in said
        assert not (living.path / name).exists()
    assert "# the owner's" in (living.path / "deploy/nginx.conf").read_text()
    assert (living.path / "shop" / "carts.py").exists()


@pytest.mark.slow
def test_another_short_name_is_refused_in_a_project(living: Project) -> None:
    """Copier would leave out the owner's edits."""
    said = run(living.path, "update", "--data", "project_slug=other")
    assert "must stay 'shop' in an update" in said
    assert changes(living.path) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "value"), [("ci", CHOICES["ci"][0]), ("project_slug", "")]
)
def test_an_answer_that_a_new_version_refuses_is_not_replaced(
    question: str, value: str, versions: Path, living: Project
) -> None:
    """Copier would take the default instead, without a word."""
    path = versions / FILE.name
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    choices = settings["ci"]["choices"]
    if question == "ci":
        del choices[next(label for label in choices if choices[label] == CI)]
    else:
        settings["taken"]["default"].append("shop")
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    commit(versions, "v1.2.0")
    said = run(living.path, "update")
    assert question in said
    assert changes(living.path) == ""
    if value:
        assert f"choose another with --data {question}=VALUE" in said
        run(living.path, "update", "--data", f"{question}={value}")
        assert noted(living.path)[question] == value


@pytest.mark.slow
def test_a_project_of_cruft_moves_to_copier(versions: Path, tmp_path: Path) -> None:
    """By the commands in README.md; only the files with the answers change."""
    readme = (ROOT / "README.md").read_text()
    (commands,) = re.findall(r"```sh\n( +python3 .*?)```", readme, re.DOTALL)
    commands = commands.replace("gh:org/flask-factory-template", str(versions))
    create = ("create", "--no-input", "--checkout", "v1.0.0", str(versions))
    extra = json.dumps({"project_slug": "shop", "https": "proxy"})
    cruft = (PYTHON.with_name("cruft"), *create, "--extra-context", extra)
    project = Project(tmp_path / "shop", {})
    (tmp_path / "shop").mkdir()
    project.run(*cruft, "--output-dir", tmp_path, "--overwrite-if-exists")
    (project.path / "shop" / "carts.py").write_text('"""The owner\'s."""\n')
    commit(project.path)
    before = files_of(project.path / "shop")
    path = f"{PYTHON.parent}:{os.environ['PATH']}"
    for name, value in (("user.name", "Owner"), ("user.email", "owner@example.com")):
        project.run("git", "config", name, value)
    project.run("sh", "-ec", commands, PATH=path)
    assert changes(project.path) == ""
    assert files_of(project.path / "shop") == before
    assert noted(project.path)["https"] == "proxy"
    run(project.path, "update")
    names = {line[3:] for line in changes(project.path).splitlines()}
    assert names == {ANSWERS_FILE, ".gitignore", "README.md"}


def noted(project: Path) -> dict[str, Any]:
    """Return the answers of a project."""
    answers: dict[str, Any] = yaml.safe_load((project / ANSWERS_FILE).read_text())
    return answers
