"""The applications that are compared, each in a directory of its own."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.projects import Project, bake

from .measure import run, seconds_of

BARE = Path(__file__).with_name("bare.py")

# The views of a rendered project in an application that does nothing else.
VIEWS = """
from collections.abc import Mapping

from flask import Flask
from {package} import health, pages


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    app = Flask("{package}")
    app.config.from_mapping({{"ENV": "production"}}, **config or {{}})
    app.register_blueprint(pages.bp)
    app.register_blueprint(health.bp)
    return app
"""


@dataclass(frozen=True)
class Application:
    """A package with the function `create_app`."""

    directory: Path
    package: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which it runs, and Python finds it."""
        return {"PYTHONPATH": str(self.directory), **self.env}

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in its directory."""
        return run(*command, cwd=self.directory, **self.environment, **env)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in its directory."""
        return self.run(sys.executable, *arguments)

    def seconds(self, *command: str, runs: int) -> float:
        """Return the median time of some runs of a command in its directory."""
        return seconds_of(*command, runs=runs, cwd=self.directory, **self.environment)

    def compile(self) -> "Application":
        """Compile the code, as an installation does."""
        self.python("-m", "compileall", "-q", str(self.directory))
        return self


def bare(directory: Path) -> Application:
    """Make the least application there is."""
    (directory / "bare").mkdir(parents=True)
    shutil.copy(BARE, directory / "bare" / "__init__.py")
    return Application(directory, "bare").compile()


def rendered(directory: Path, **answers: str) -> Application:
    """Make a rendered project; in production, where it is to be fast."""
    return of(bake(directory, answers))


def of(project: Project) -> Application:
    """Return the application of a project, in production."""
    env = {f"{project.prefix}SECRET_KEY": "only-for-measuring-0123456789abcdef"}
    return Application(project.path, project.package, env).compile()


def views_of(application: Application) -> Application:
    """Make an application that has a project's views, and nothing else of it."""
    views = application.directory / "views.py"
    views.write_text(VIEWS.format(package=application.package))
    return Application(application.directory, "views").compile()
