"""What the tests share."""

import os
{% if cookiecutter.database == 'none' %}
from collections.abc import Callable
{% else %}
from collections.abc import Callable, Iterator
{% endif %}
from pathlib import Path

import lock
import pytest

if problems := [*lock.problems()]:  # before a package is imported that is not there
    pytest.exit("\n".join(problems), returncode=pytest.ExitCode.USAGE_ERROR)

from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
{% if cookiecutter.database != 'none' %}
from throwaway import New, databases
{% endif %}

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import PREFIX, layout
{% if cookiecutter.database != 'none' %}
from {{ cookiecutter.__package }}.database import alembic
{% endif %}

# Variables that steer the service, Flask, Python, the servers or clients, by how their
# names begin.
STEERING = (
    *(f"{PREFIX}_", "FLASK_", "GUNICORN_", "UWSGI_", "WEB_CONCURRENCY"),
    *("JOURNAL_STREAM", "LISTEN_", "NOTIFY_SOCKET", "PYTHONWARNINGS"),
    *("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's environment and directories out of the tests."""
    for name in list(os.environ):
        if name.upper().startswith(STEERING) or name == "SECRET_KEY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _utf8() -> None:
    """Skip the tests where Werkzeug cannot serve a static file, nor uWSGI start."""
    try:
        str(Path(__file__).absolute()).encode()
    except UnicodeEncodeError:
        pytest.skip("the path of the project is not UTF-8")


@pytest.fixture
def app() -> Flask:
    """Return an application for tests."""
    return create_app("testing")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of the application."""
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    """Return a runner of the application's commands."""
    return app.test_cli_runner()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Return an application as in production."""
    monkeypatch.setenv(f"{PREFIX}_SECRET_KEY", "of this test, and long enough")
    return create_app("production")


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a settings file, in the project's own format."""

    def write(**settings: str) -> Path:
        path = tmp_path / f"settings{layout.ENDING}"
        prefix = {".env": f"{PREFIX}_"}.get(layout.ENDING, "")
        lines = [f'{prefix}{name} = "{text}"' for name, text in settings.items()]
        path.write_text("\n".join(lines))
        return path

    return write
{% if cookiecutter.database != 'none' %}


def migrate(url: str) -> None:
    """Migrate a database to the newest schema."""
    app = create_app({"ENV": "testing", "DATABASE_URL": url})
    with app.app_context():
        alembic("upgrade", "head")
    app.extensions["engine"].dispose()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[New]:
    """Return a function that makes a database and returns its URL."""
    with databases(tmp_path_factory.mktemp("databases"), migrate) as new:
        yield new


@pytest.fixture
def database_app(new_database: New) -> Iterator[Flask]:
    """Return an application with a migrated database of its own."""
    app = create_app({"ENV": "testing", "DATABASE_URL": new_database()})
    yield app
    app.extensions["engine"].dispose()
{% endif %}
