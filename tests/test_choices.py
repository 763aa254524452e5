"""A choice is complete, or it cannot be baked."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.projects import ANSWERS, PYTHON, ROOT, clean_environment

# The questions whose choices have folders under `templates`.
QUESTIONS = sorted(
    path.name
    for path in (ROOT / "templates").iterdir()
    if isinstance(ANSWERS.get(path.name), list)
)


def test_the_choices_have_exactly_one_folder_each() -> None:
    """No folder without a choice, no choice without a folder."""
    for question in QUESTIONS:
        paths = (ROOT / "templates" / question).iterdir()
        folders = sorted(path.name for path in paths)
        assert folders == sorted(ANSWERS[question])


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template with one more choice of each question."""
    path = tmp_path_factory.mktemp("fork") / "template"
    ignored = shutil.ignore_patterns(".*", "build", "judges", "benchmarks", "tests")
    shutil.copytree(ROOT, path, ignore=ignored, dirs_exist_ok=True)
    # The ignored names are those of the template, too: its project has some of them.
    project = "{{cookiecutter.project_slug}}"
    shutil.copytree(ROOT / project, path / project, dirs_exist_ok=True)
    answers = json.loads((path / "cookiecutter.json").read_text())
    for question in QUESTIONS:
        answers[question].append("new")
    (path / "cookiecutter.json").write_text(json.dumps(answers))
    return path


@pytest.mark.parametrize("hooks", ["yes", "no"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_unfinished_choice_cannot_be_baked(
    question: str, hooks: str, fork: Path, tmp_path: Path
) -> None:
    """The error names what to add; the hook refuses it before anything is written."""
    command = [
        str(PYTHON),
        "-m",
        "cookiecutter",
        "--no-input",
        f"--accept-hooks={hooks}",
    ]
    result = subprocess.run(
        [*command, "-o", str(tmp_path / "out"), str(fork), f"{question}=new"],
        capture_output=True,
        check=False,
        env=clean_environment() | {"HOME": str(tmp_path)},
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    assert f"{question}/new" in result.stderr
    if hooks == "yes":
        assert not list(tmp_path.glob("out/*"))


def test_the_lists_of_hooks_are_not_written_for_an_unfinished_choice(
    fork: Path,
) -> None:
    """`make hooks` names each folder to add."""
    (fork / "tests").mkdir(exist_ok=True)
    for name in ("__init__.py", "projects.py"):
        shutil.copy(ROOT / "tests" / name, fork / "tests")
    before = {path: path.read_text() for path in (fork / "hooks").glob("*.py")}
    result = subprocess.run(
        [str(PYTHON), "-m", "scripts.hooks"],
        capture_output=True,
        check=False,
        cwd=fork,
        env=clean_environment(),
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert sorted(result.stderr.splitlines()) == [
        f"templates/{question}/new: missing; see CONTRIBUTING.md"
        for question in QUESTIONS
    ]
    assert before == {path: path.read_text() for path in before}
