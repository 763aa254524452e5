"""Error responses have the form that the client accepts."""

import logging
import re
from pathlib import Path
from typing import NoReturn

import pytest
from flask import Flask, Response, abort, request
from flask.testing import FlaskClient
from jinja2 import DictLoader
from werkzeug.exceptions import NotFound, ServiceUnavailable

from {{ cookiecutter.__package }} import create_app

CODES = [400, 403, 404, 405, 413, 429, 500, 503]
HTML = {"Accept": "text/html"}

# What clients send if they are not told otherwise.
BROWSERS = {
    "Chromium": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
    "image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Firefox, Safari": "text/html,application/xhtml+xml,application/xml;q=0.9,"
    "*/*;q=0.8",
    "Lynx": "text/html, text/plain, text/sgml, text/css, */*;q=0.01",
}
PROGRAMS = {
    "curl, HTTPie, httpx, requests, Wget, fetch": "*/*",
    "urllib, net/http of Go": "",
    "axios": "application/json, text/plain, */*",
    "jQuery": "application/json, text/javascript, */*; q=0.01",
    "an image in Firefox": "image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.5",
    "an API client": "application/problem+json, application/json;q=0.9",
}
OTHERS = [
    "application/json, text/html",
    "text/html;q=0.9, application/json",
    "text/html;q=0.9, */*;q=0.1",
    "text/*",
    "application/*",
]
NGINX = Path(__file__).parents[1] / "deploy" / "nginx.conf"


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
    """In HTML, with the status code."""
    answer = client.get(f"/abort/{code}", headers=HTML)
    assert answer.status_code == code
    assert answer.mimetype == "text/html"
    assert str(code) in answer.text


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


@pytest.mark.parametrize("name", BROWSERS | PROGRAMS)
def test_only_a_client_that_names_html_gets_a_page(
    name: str, client: FlaskClient
) -> None:
    """Browsers do. Programs accept anything, and read JSON."""
    accept = (BROWSERS | PROGRAMS)[name]
    answer = client.get("/none", headers={"Accept": accept})
    expected = "text/html" if name in BROWSERS else "application/problem+json"
    assert answer.mimetype == expected
    assert "Accept" in answer.vary


@pytest.mark.skipif(not NGINX.exists(), reason="there is no deploy/nginx.conf")
@pytest.mark.parametrize("accept", [*BROWSERS.values(), *PROGRAMS.values(), *OTHERS])
def test_nginx_chooses_the_same_form(accept: str, client: FlaskClient) -> None:
    """For errors of its own."""
    text = NGINX.read_text(encoding="utf-8").partition("map $http_accept ")[2]
    text, _, _ = text.partition("\n}")
    patterns = re.findall(r'"~\*(.+)" (html|json);', text)
    assert patterns
    found = [form for regex, form in patterns if re.search(f"(?i){regex}", accept)]
    answer = client.get("/none", headers={"Accept": accept})
    assert (answer.mimetype or "").endswith([*found, "json"][0])

{% raw %}
BROKEN = {
    "syntax": "{% block main %}",
    "link": "{{ url_for('no.such.view') }}{% block main %}{% endblock %}",
    "extends": "{% extends 'none.html' %}",
    "include": "{% include 'none.html' %}{% block main %}{% endblock %}",
    "name": "{{ nothing.such }}{% block main %}{% endblock %}",
    "blocks": "<title>{% block title %}{% endblock %}</title>",
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize(("path", "code"), [("/abort/404", 404), ("/crash", 500)])
def test_an_error_page_does_not_depend_on_base_html(
    fault: str, path: str, code: int, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """If that is broken, a plain page takes its place, and the log has the reason."""
    replace_base_html(app, BROKEN[fault])
    answer = app.test_client().get(path, headers=HTML)
    assert answer.status_code == code
    assert answer.mimetype == "text/html"
    assert f"<title>{code} " in answer.text
    lines = [line for line in caplog.messages if line.startswith("error.html: ")]
    assert len(lines) == 1
    assert caplog.records[-1].levelno == logging.ERROR
{% endraw %}


def replace_base_html(app: Flask, text: str) -> None:
    """Give the application another base.html, and the error.html of the project."""
    env = app.jinja_env
    assert env.loader is not None
    error, _, _ = env.loader.get_source(env, "error.html")
    env.loader = DictLoader({"base.html": text, "error.html": error, "name.html": ""})


def test_headers_of_the_error_are_kept(client: FlaskClient) -> None:
    """Clients need Allow and Retry-After."""
    assert "GET" in client.post("/healthz").headers["Allow"]
    assert client.get("/later").headers["Retry-After"] == "30"


def test_a_response_that_a_view_made_is_kept(client: FlaskClient) -> None:
    """Its body and its content type."""
    answer = client.get("/own")
    assert answer.text == "mine"
    assert answer.mimetype == "text/plain"


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_a_crash_does_not_expose_the_code(accept: str, client: FlaskClient) -> None:
    """The traceback goes to the log only."""
    answer = client.get("/crash", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    """MAX_CONTENT_LENGTH is enforced."""
    assert client.post("/read", data=b"x" * 10).status_code == 200
    assert client.post("/read", data=b"x" * 11).status_code == 413


def test_request_data_is_escaped_in_error_pages(client: FlaskClient) -> None:
    """Jinja escapes it."""
    answer = client.get("/<script>alert(1)</script>", headers=HTML)
    assert "<script>alert" not in answer.text
