"""What people, browsers and load balancers get to see."""

from html.parser import HTMLParser
from wsgiref.validate import validator

import pytest
from flask import Flask, Response, session
from flask.testing import FlaskClient
from werkzeug.test import Client

from {{ cookiecutter.__package }} import health


def test_the_home_page_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    """Its files are its own, they are there, and it holds no script or style."""
    page = client.get("/")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    links = Links()
    links.feed(page.text)
    assert links.found
    for link in links.found:
        assert link.startswith("/")
        with client.get(link) as answer:
            assert answer.status_code == 200
    assert "<script" not in page.text
    assert "<style" not in page.text
    assert "style=" not in page.text


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        """Start with nothing found."""
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the addresses of a tag."""
        del tag
        self.found += [value or "" for name, value in attrs if name in {"href", "src"}]


@pytest.mark.parametrize("path", ["/", "/healthz", "/none", "/static/style.css"])
def test_every_response_has_the_security_headers(
    path: str, client: FlaskClient
) -> None:
    """On pages, data, errors and files alike."""
    with client.get(path) as answer:
        headers = answer.headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_view_keeps_a_security_header_of_its_own(app: Flask) -> None:
    """One page may need what the others do not."""
    own = {"Content-Security-Policy": "default-src 'self'"}
    app.add_url_rule("/own", view_func=lambda: Response("", headers=own))
    headers = app.test_client().get("/own").headers
    assert headers.getlist("Content-Security-Policy") == ["default-src 'self'"]


def test_healthz_says_that_the_process_is_alive(client: FlaskClient) -> None:
    """Not from a cache."""
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_readyz_asks_the_checks_that_were_added(
    app: Flask, client: FlaskClient
) -> None:
    """One failed check makes it 503; why it failed is for the log only."""

    def fail() -> None:
        message = "secret address of the database"
        raise ConnectionError(message)

    assert client.get("/readyz").status_code == 200
    health.add_check(app, "cache", lambda: None)
    health.add_check(app, "database", fail)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {"cache": "ok", "database": "failed"}
    assert "secret" not in answer.text
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("given", ["0123456789abcdef", "a.b-c_d-e"])
def test_a_request_keeps_the_id_it_came_with(given: str, client: FlaskClient) -> None:
    """Nginx's id is this service's id, too."""
    answer = client.get("/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, 'forged" line', "ünïcode-id"])
def test_a_request_without_a_good_id_gets_one(given: str, client: FlaskClient) -> None:
    """Nothing from outside gets into the log unchecked."""
    ids = {
        client.get("/", headers={"X-Request-ID": given}).headers["X-Request-ID"]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


def test_what_answers_before_the_views_has_the_id_and_the_headers(app: Flask) -> None:
    """A `before_request` of an extension, say."""
    app.before_request(lambda: ("no", 403))
    answer = app.test_client().get("/")
    assert answer.status_code == 403
    assert answer.text == "no"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Content-Security-Policy"]


def test_a_session_lasts_from_one_request_to_the_next(app: Flask) -> None:
    """It begins in a request without cookies; one that is not used sets none."""

    @app.get("/visits")
    def count() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    client = app.test_client()
    assert "Set-Cookie" not in client.get("/").headers
    assert [client.get("/visits").text for _ in range(3)] == ["1", "2", "3"]


def test_without_a_key_a_session_says_that_it_needs_one(app: Flask) -> None:
    """Instead of losing what is put into it."""
    app.config["SECRET_KEY"] = None
    with app.test_request_context("/"), pytest.raises(RuntimeError, match="secret key"):
        session["visits"] = 1


def test_an_untrusted_host_gets_an_error_page(production: Flask) -> None:
    """And no link in it leads there."""
    client = production.test_client()
    assert client.get("/", base_url="http://localhost").status_code == 200
    answer = client.get("/", base_url="http://evil.test")
    assert answer.status_code == 400
    assert "evil.test/" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/no"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_it_keeps_to_the_wsgi_standard(
    method: str, path: str, accept: str, app: Flask
) -> None:
    """`wsgiref.validate` finds nothing."""
    client = Client(validator(app.wsgi_app))
    answer = client.open(path, method=method, headers={"Accept": accept})
    if method == "HEAD":
        assert answer.data == b""
    answer.close()
