"""`--check` makes the requests that show a fault before it is served."""

from pathlib import Path

import pytest
from flask import Flask, request

from {{ cookiecutter.__package }} import check, create_app, health, proxy
from {{ cookiecutter.__package }}.check import faults
from {{ cookiecutter.__package }}.config import load_config

FILE = " ".join(__file__.split())  # a fault is one line, whatever the path is


def fail_at(app: Flask, path: str) -> None:
    """Have a request for a path fail."""

    def fail() -> None:
        if request.path == path:
            raise RuntimeError("too\nbad")  # noqa: EM101, TRY003 - a line break in it

    app.before_request(fail)


def note_requests(app: Flask) -> list[tuple[str, str, str]]:
    """Return a list that gets the scheme, host and path of each request."""
    seen: list[tuple[str, str, str]] = []

    @app.before_request
    def note() -> None:
        seen.append((request.scheme, request.host, request.path))

    return seen


@pytest.fixture
def app() -> Flask:
    """Return an application without the project's own pages and start-up work."""
    app = Flask(__name__)
    load_config(app, "testing")
    proxy.init_app(app)
    health.init_app(app)
    return app


def test_nothing_is_wrong_with_the_project(production: Flask) -> None:
    """In any environment, with any host, in the scheme of the project."""
    seen = note_requests(production)
    for app in (create_app("testing"), production, create_app("development")):
        found = faults(lambda: app)  # noqa: B023 - called at once
        # The home page may need what is not here, such as a database.
        assert [line for line in found if not line.startswith("GET /:")] == []
    hosts = check.hosts_of(production)
    scheme = production.config["PREFERRED_URL_SCHEME"]
    assert [s for s in seen if s[2] == "/healthz"] == [
        (scheme, host, "/healthz") for host in hosts
    ]


def test_a_project_needs_no_page_no_static_file_and_no_session() -> None:
    """An owner may take them out."""
    app = Flask(__name__, static_folder=None)
    health.init_app(app)
    seen = note_requests(app)
    assert faults(lambda: app) == []
    assert [path for *_, path in seen] == ["/healthz"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/a%20file.txt"])
def test_a_request_that_fails_is_named(path: str, tmp_path: Path, app: Flask) -> None:
    """One line: the request, the exception, the place; and no traceback."""
    app.add_url_rule("/", "a_home_page", lambda: "home")
    app.static_folder = str(tmp_path / "static")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a file.txt").touch()
    fail_at(app, path.replace("%20", " "))
    [line] = faults(lambda: app)
    assert line.startswith(f"GET {path}: RuntimeError: too bad (")
    assert "\n" not in line


def test_a_server_error_of_a_page_is_named(app: Flask) -> None:
    """A page that needs a login, or is nowhere, is none."""
    app.add_url_rule("/", "a_home_page", lambda: "home")
    status = 401
    app.before_request(lambda: ("", status) if request.path == "/" else None)
    assert faults(lambda: app) == []
    status = 503
    assert faults(lambda: app) == ["GET /: 503 SERVICE UNAVAILABLE"]


def test_the_place_is_in_the_code_of_the_package(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the library that it has called."""
    monkeypatch.setattr(check, "HERE", Path(__file__).parent)
    fail_at(app, "/healthz")
    [line] = faults(lambda: app)
    assert f" ({FILE}:" in line


@pytest.mark.parametrize(
    ("hosts", "count"),
    [
        (["*.example.net"], 1),
        (["localhost", "Example.net", "Example.org"], 2),
        (["localhost", ".example.net", "[::1]", "127.0.0.1"], 0),
        (["[::1]"], 0),
        (["b\u00fccher.example", "example.net:8000"], 0),
    ],
)
def test_each_trusted_host_is_tried(hosts: list[str], count: int, app: Flask) -> None:
    """One that no request can match is named."""
    app.config["TRUSTED_HOSTS"] = hosts
    lines = [line for line in faults(lambda: app) if "TRUSTED_HOSTS" in line]
    assert len(lines) == count
    assert all(line.endswith(": 400 BAD REQUEST") for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PERMANENT_SESSION_LIFETIME", "1 day", "a session cannot be saved: "),
        ("SECRET_KEY", 4711, "a session cannot be saved: "),
        ("SESSION_COOKIE_DOMAIN", "other.example", "a session is lost: "),
        ("SESSION_COOKIE_DOMAIN", ".Example.net", None),
        ("SESSION_COOKIE_PATH", "/app", None),
        ("APPLICATION_ROOT", "/\u00e4", None),
        ("SECRET_KEY", None, None),
    ],
)
def test_a_session_is_saved_and_opened(
    name: str, value: object, said: str | None, app: Flask
) -> None:
    """A setting that breaks it is found, whichever it is."""
    app.config |= {"TRUSTED_HOSTS": ["localhost", "example.net"], name: value}
    found = [line for line in faults(lambda: app) if "session" in line]
    assert len(found) == (said is not None)
    assert all(line.startswith(said or "") for line in found)


def test_a_factory_that_fails_is_named(app: Flask) -> None:
    """The first line of start-up work that fails, by its place."""

    def create() -> Flask:
        del app.config["NO_SUCH_SETTING"]
        return app

    [line] = faults(create)
    assert line.startswith("create_app: KeyError: 'NO_SUCH_SETTING' (")
    assert f"{FILE}:" in line


@pytest.mark.parametrize(
    ("body", "wanted", "fits"),
    [
        ("16m", 16 * 1024**2, True),
        ("17825792", 16 * 1024**2, True),
        ("16m", 16 * 1024**2 + 1, False),
        ("16m", None, False),
        ("512k", 1024**2, False),
        ("1g", 1024**3, True),
        ("0", None, True),
        ("0", 1, True),
    ],
)
def test_a_body_that_nginx_refuses_first_is_a_fault(
    body: str, wanted: int | None, *, fits: bool, tmp_path: Path
) -> None:
    """The line names both limits, and what makes them agree."""
    site = tmp_path / "site"
    site.write_text(f"    client_max_body_size {body};\n")
    app = create_app({"ENV": "testing", "MAX_CONTENT_LENGTH": wanted})
    found = list(check.limits(app, site))
    if fits:
        assert found == []
    else:
        [line] = found
        assert line.startswith(f"MAX_CONTENT_LENGTH (create_app): {wanted} ")
        assert str(site) in line
        assert "run deploy/install" in line


def test_a_site_that_cannot_be_read_is_a_fault(app: Flask, tmp_path: Path) -> None:
    """Otherwise nothing would be compared, without a word."""
    site = tmp_path / "none"
    line = f"--nginx {site}: No such file or directory"
    assert line in faults(lambda: app, str(site))
