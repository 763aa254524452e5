"""Bake projects, each set of answers once, and know the choices there are."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.environment import StrictEnvironment
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import render_variable

ROOT = Path(__file__).parents[1]
ANSWERS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text())
SERVERS: list[str] = ANSWERS["wsgi_server"]
LAYOUTS: list[str] = ANSWERS["config_layout"]


@dataclass(frozen=True)
class Project:
    """A rendered project."""

    path: Path
    answers: dict[str, Any]

    @property
    def slug(self) -> str:
        """The project's short name."""
        return str(self.answers["project_slug"])

    @property
    def package(self) -> str:
        """The name of its Python package."""
        return str(self.answers["__package"])

    @property
    def prefix(self) -> str:
        """What the names of its variables begin with."""
        return str(self.answers["__prefix"])

    def files(self) -> list[Path]:
        """Return the files as rendered, relative to the project."""
        return sorted(
            path.relative_to(self.path)
            for path in self.path.rglob("*")
            if path.is_file()
        )

    def run(
        self, *command: str | Path, timeout: float = 300, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; fail with its output if it fails."""
        result = subprocess.run(
            command,
            check=False,
            cwd=self.path,
            env={**clean_environment(), **env},
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}"
        return result


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what could steer the project's."""
    steering = ("PYTEST_", "PYTHONPATH", "VIRTUAL_ENV", "MAKE", "MFLAGS", "FLASK_")
    rest = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    # Projects that are baked once are shared: nothing may write into them.
    return rest | {"PYTHONDONTWRITEBYTECODE": "1"}


# systemd is Linux's, and so is what these tests have Python do on the way to it.
collect_ignore = [] if sys.platform == "linux" else ["e2e"]

Bake = Callable[..., Project]


@pytest.fixture(scope="session")
def bake(cookies_session: Any) -> Bake:  # noqa: ANN401 - pytest-cookies has no types
    """Return a function that bakes a project from answers, and asserts success."""
    baked: dict[str, Project] = {}

    def bake(**answers: str) -> Project:
        key = json.dumps(answers, sort_keys=True)
        if key not in baked:
            result = cookies_session.bake(extra_context=answers)
            assert result.exception is None
            assert result.exit_code == 0
            baked[key] = Project(result.project_path, result.context)
        return baked[key]

    return bake


def files_of(project: Path) -> dict[str, bytes]:
    """Return the files of a project as rendered."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
    }


def literal_answers(**answers: str) -> dict[str, Any]:
    """Return a full set of answers, as if these had been typed at the questions.

    Cookiecutter renders answers that it is given in other ways as templates.
    """
    full = {k: v[0] if isinstance(v, list) else v for k, v in ANSWERS.items()}
    del full["__prompts__"]
    full |= {"project_slug": "my-service"} | answers
    environment = StrictEnvironment(context=ANSWERS)
    for name in full:
        if name.startswith("__"):
            full[name] = render_variable(environment, full[name], full)
    return full


def bake_literally(output: Path, /, *flags: str, **answers: str) -> Project:
    """Bake a project from answers as typed, with some of the command's flags."""
    replay = output / "replay.json"
    full = literal_answers(**answers)
    replay.write_text(json.dumps({"cookiecutter": full}))
    path = cookiecutter(
        str(ROOT),
        replay=str(replay),
        output_dir=str(output),
        overwrite_if_exists="-f" in flags,
        skip_if_file_exists="-s" in flags,
        accept_hooks="--accept-hooks=no" not in flags,
    )
    return Project(Path(path), full)


@pytest.fixture(
    scope="session",
    params=itertools.product(SERVERS, LAYOUTS),
    ids="-".join,
)
def project(request: pytest.FixtureRequest, bake: Bake) -> Project:
    """Return the project of each product of server and layout."""
    server, layout = request.param
    return bake(wsgi_server=server, config_layout=layout)


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Project:
    """Return a copy of the project, to run what writes files."""
    path = tmp_path / project.path.name
    shutil.copytree(project.path, path)
    return Project(path, project.answers)


PYTHON = Path(sys.executable)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI when a test was skipped: on Linux, everything is to be had there."""
    if sys.platform != "linux":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
