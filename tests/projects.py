"""Bake projects from the template: for tests, scripts and benchmarks."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cookiecutter.environment import StrictEnvironment
from cookiecutter.generate import generate_context, generate_files
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config, render_variable

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.executable)
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

    def copy_to(self, directory: Path) -> "Project":
        """Copy the project into a directory, to run what writes files there."""
        path = directory / self.path.name
        shutil.copytree(self.path, path)
        return Project(path, self.answers)

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


def bake(
    output: Path,
    answers: Mapping[str, str],
    *,
    hooks: bool = True,
    overwrite: bool = False,
) -> Project:
    """Bake a project as `cookiecutter --no-input` does, and return it.

    Args:
        output: The directory in which the project's own is made.
        answers: Those that are not the defaults.
        hooks: Whether the hooks run.
        overwrite: Whether the project's directory may exist already.

    """
    context = generate_context(
        str(ROOT / "cookiecutter.json"), extra_context={**answers}
    )
    full = prompt_for_config(context, no_input=True)
    path = generate_files(
        repo_dir=str(ROOT),
        context={"cookiecutter": full},
        output_dir=str(output),
        overwrite_if_exists=overwrite,
        accept_hooks=hooks,
    )
    return Project(Path(path), full)


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


def load_hook(name: str) -> ModuleType:
    """Import a hook as it stands: unrendered, it is valid Python."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_template(path: Path) -> Path:
    """Copy this tree, with nothing that is ignored, and return the copy."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "build", ".*_cache", "__pycache__", ".hypothesis"
    )
    return Path(shutil.copytree(ROOT, path, ignore=ignored))


def git(directory: Path, *arguments: str) -> str:
    """Run git as somebody, and return what it prints."""
    who = ("-c", "user.name=Owner", "-c", "user.email=owner@example.com")
    return subprocess.run(
        ["git", *who, *arguments],
        check=True,
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()


def commit(repository: Path, tag: str = "") -> None:
    """Commit all files of a directory, which becomes a repository if it is none."""
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "all")
    if tag:
        git(repository, "tag", tag)


def clone_template(directory: Path) -> Path:
    """Return a repository of the template, with this tree as its branch `newest`.

    Args:
        directory: An empty one, in which it is made.

    """
    git(directory, "clone", "--quiet", "--no-checkout", str(ROOT), "history")
    tree = copy_template(directory / "flask-factory-template")
    (directory / "history" / ".git").rename(tree / ".git")
    git(tree, "update-ref", "refs/heads/newest", "HEAD")
    git(tree, "symbolic-ref", "HEAD", "refs/heads/newest")
    git(tree, "reset", "--quiet")
    commit(tree)
    return tree


def cruft(directory: Path, *arguments: str) -> None:
    """Run cruft in a directory; fail with its output if it fails."""
    who = {
        f"GIT_{role}_{kind}": value
        for role in ("AUTHOR", "COMMITTER")
        for kind, value in (("NAME", "Owner"), ("EMAIL", "owner@example.com"))
    }
    command: list[str | Path] = [PYTHON.with_name("cruft"), *arguments]
    Project(directory, {}).run(*command, timeout=120, **who)
