"""Every response has the security headers."""

from wsgiref.validate import validator

import pytest
from flask import Flask, Response, session
from flask.testing import FlaskClient
from werkzeug.test import Client

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.headers import HEADERS, logger, warn_of_lost_cookie


@pytest.mark.parametrize("path", ["/healthz", "/none", "/static/style.css"])
def test_every_response_has_the_security_headers(
    path: str, client: FlaskClient
) -> None:
    """On data, errors and files alike."""
    with client.get(path) as answer:
        headers = answer.headers
    assert HEADERS.items() <= dict(headers).items()
    assert headers["Content-Security-Policy"]


def test_a_view_keeps_a_security_header_of_its_own(app: Flask) -> None:
    """One page may need what the others do not."""
    own = {"Content-Security-Policy": "default-src 'self'"}
    app.add_url_rule("/own", view_func=lambda: Response("", headers=own))
    headers = app.test_client().get("/own").headers
    assert headers.getlist("Content-Security-Policy") == ["default-src 'self'"]


def test_responses_of_extensions_have_the_headers_and_the_request_id(
    app: Flask,
) -> None:
    """A `before_request` function may respond before any view."""
    app.before_request(lambda: ("no", 403))
    answer = app.test_client().get("/healthz")
    assert answer.status_code == 403
    assert answer.text == "no"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_secure_cookie_over_plain_http_is_logged_once(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in a process: browsers drop the cookie, and the login is lost."""

    def login() -> str:
        session["user"] = "me"
        return ""

    warn_of_lost_cookie.cache_clear()
    for _ in range(2):
        app = create_app({"TESTING": True, "SESSION_COOKIE_SECURE": True})
        app.add_url_rule("/cookie", view_func=login)
        app.test_client().get("/cookie", base_url=f"{scheme}://localhost")
    warnings = [record for record in caplog.records if record.name == logger.name]
    assert len(warnings) == (scheme == "http")
    assert all("SESSION_COOKIE_SECURE" in record.message for record in warnings)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/none"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_the_application_conforms_to_wsgi(
    method: str, path: str, accept: str, app: Flask
) -> None:
    """`wsgiref.validate` reports no violation."""
    client = Client(validator(app.wsgi_app))
    answer = client.open(path, method=method, headers={"Accept": accept})
    if method == "HEAD":
        assert answer.data == b""
    answer.close()
