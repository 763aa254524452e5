"""Other programs that bake cookiecutter templates make a project that works."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from cookiecutter.generate import generate_files

from scripts.copier import OLDEST
from tests.projects import (
    PYTHON,
    ROOT,
    Project,
    clean_environment,
    commit,
    copy_template,
    files_of,
    literal_answers,
)

UV = PYTHON.with_name("uv")

pytestmark = pytest.mark.slow

# Each tool with all that it needs, as of a day: that is its lock.
DAY = "2026-11-15"
TOOLS = {
    "cookiecutter-oldest": (
        "cookiecutter==2.2.3",
        ("cookiecutter", "--no-input", "{template}"),
    ),
    "copier-oldest": (
        f"copier=={OLDEST}",
        ("copier", "copy", "--defaults", "--vcs-ref=HEAD", "{template}", "my-service"),
    ),
    "cruft": ("cruft==2.16.0", ("cruft", "create", "--no-input", "{template}")),
    "sam": (
        "aws-sam-cli==1.170.0",
        ("sam", "init", "--no-input", "--location", "{template}"),
    ),
    "kedro": (
        "kedro==1.7.0",
        (
            *("kedro", "new", "--starter", "{template}", "--name", "My Service"),
            *("--telemetry", "no"),
        ),
    ),
}
QUIET = {"SAM_CLI_TELEMETRY": "0", "DO_NOT_TRACK": "1", "KEDRO_DISABLE_TELEMETRY": "1"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a repository that holds this tree, with nothing that is ignored."""
    path = copy_template(tmp_path / "flask-factory-template")
    commit(path)
    return path


@pytest.mark.parametrize("tool", TOOLS)
def test_it_makes_a_project_that_works(tool: str, clone: Path, tmp_path: Path) -> None:
    """By the real program, from a repository."""
    requirement, arguments = TOOLS[tool]
    runner = (str(UV), "tool", "run", "--quiet", "--isolated")
    options = ("--exclude-newer", DAY, "--with", "setuptools<81", "--from", requirement)
    command = [argument.format(template=clone) for argument in arguments]
    output = tmp_path / "output"
    output.mkdir()
    result = subprocess.run(
        [*runner, *options, *command],
        check=False,
        cwd=output,
        env=clean_environment() | QUIET | {"HOME": str(tmp_path)} | cache(),
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout
    check_works(Project(output / "my-service", literal_answers()))


def cache() -> dict[str, str]:
    """Return where uv keeps what it has downloaded, whatever HOME says."""
    command = [str(UV), "cache", "dir"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", output.stdout.strip())}


def check_works(project: Project) -> None:
    """Run the project's own tests."""
    result = project.run(PYTHON, "-m", "pytest", "-q", PYTHONPATH=str(project.path))
    assert " passed" in result.stdout


def test_without_hooks_it_is_the_same_project(tmp_path: Path) -> None:
    """Backstage runs no hooks."""
    answers = literal_answers()
    projects = []
    for hooks in (True, False):
        output = tmp_path / str(hooks)
        path = generate_files(
            repo_dir=str(ROOT),
            context={"cookiecutter": answers},
            output_dir=str(output),
            accept_hooks=hooks,
        )
        projects.append(Path(path))
    with_hooks, without = projects
    assert files_of(with_hooks) == files_of(without)
    check_works(Project(without, answers))


def test_a_replay_makes_the_same_project_again(tmp_path: Path) -> None:
    """From the file of answers that cookiecutter leaves behind."""
    config = tmp_path / "config.yaml"
    config.write_text(f"replay_dir: {tmp_path}\ncookiecutters_dir: {tmp_path}\n")
    command = [
        str(PYTHON),
        "-m",
        "cookiecutter",
        "--config-file",
        str(config),
        str(ROOT),
    ]
    first, second = tmp_path / "first", tmp_path / "second"
    subprocess.run(
        [*command, "--no-input", "-o", str(first), "ci=none"], check=True, timeout=60
    )
    (replay,) = tmp_path.glob("*.json")
    assert json.loads(replay.read_text())["cookiecutter"]["ci"] == "none"
    subprocess.run(
        [*command, "--replay-file", str(replay), "-o", str(second)],
        check=True,
        timeout=60,
    )
    assert files_of(first / "my-service") == files_of(second / "my-service")
