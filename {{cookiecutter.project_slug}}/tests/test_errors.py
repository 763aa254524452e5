"""Error responses have the form that the client accepts."""

from typing import NoReturn

import pytest
from flask import Flask, Response, abort, request
from flask.testing import FlaskClient
from werkzeug.exceptions import NotFound, ServiceUnavailable

from {{ cookiecutter.__package }} import create_app

CODES = [400, 403, 404, 405, 413, 429, 500, 503]


@pytest.fixture
def app() -> Flask:
    """Return an application with views that fail, and with error pages."""
    app = create_app({"TESTING": True, "MAX_CONTENT_LENGTH": 10})
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/abort/<int:code>")
    def fail(code: int) -> NoReturn:
        abort(code)

    @app.post("/read")
    def read() -> bytes:
        return request.get_data()

    @app.get("/crash")
    def crash() -> str:
        return str(1 // 0)

    @app.get("/own")
    def own() -> NoReturn:
        raise NotFound(response=Response("mine", 404, mimetype="text/plain"))

    @app.get("/later")
    def later() -> NoReturn:
        raise ServiceUnavailable(retry_after=30)

    return app


@pytest.mark.parametrize("code", CODES)
def test_a_browser_gets_a_page(code: int, client: FlaskClient) -> None:
    """In HTML, with the status code and the request ID."""
    answer = client.get(f"/abort/{code}", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == code
    assert answer.mimetype == "text/html"
    assert str(code) in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
def test_a_program_gets_problem_details(
    code: int, accept: str, client: FlaskClient
) -> None:
    """RFC 9457."""
    answer = client.get(f"/abort/{code}", headers={"Accept": accept})
    assert answer.status_code == code
    assert answer.content_type == "application/problem+json"
    problem = answer.get_json(force=True)
    assert problem["status"] == code
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("accept", ["", "*/*", "image/png"])
def test_a_client_without_a_preference_gets_a_page(
    accept: str, client: FlaskClient
) -> None:
    """As from Flask itself."""
    answer = client.get("/none", headers={"Accept": accept})
    assert answer.mimetype == "text/html"
    assert "Accept" in answer.vary


def test_headers_of_the_error_are_kept(client: FlaskClient) -> None:
    """Clients need Allow and Retry-After."""
    assert "GET" in client.post("/healthz").headers["Allow"]
    assert client.get("/later").headers["Retry-After"] == "30"


def test_a_response_that_a_view_made_is_kept(client: FlaskClient) -> None:
    """Its body and its content type."""
    answer = client.get("/own")
    assert answer.text == "mine"
    assert answer.mimetype == "text/plain"


def test_a_crash_does_not_expose_the_code(client: FlaskClient) -> None:
    """The traceback goes to the log only."""
    answer = client.get("/crash")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    """MAX_CONTENT_LENGTH is enforced."""
    assert client.post("/read", data=b"x" * 10).status_code == 200
    assert client.post("/read", data=b"x" * 11).status_code == 413


def test_request_data_is_escaped_in_error_pages(client: FlaskClient) -> None:
    """Jinja escapes it."""
    assert "<script>" not in client.get("/<script>alert(1)</script>").text
