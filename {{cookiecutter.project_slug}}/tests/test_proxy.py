"""What a reverse proxy adds to a request counts, and only behind a proxy."""

import io
import time

import pytest
from flask import Flask, request, session
from flask.testing import FlaskClient

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.headers import logger, warn_of_lost_cookie
from {{ cookiecutter.__package }}.proxy import LONGEST_WAIT


@pytest.fixture
def app() -> Flask:
    """Return an application behind a proxy."""
    return create_app({"TESTING": True, "PROXY_HOPS": 1})


@pytest.mark.parametrize(("waited", "status"), [(0, 200), (LONGEST_WAIT + 1, 503)])
def test_only_what_has_waited_too_long_is_refused(
    waited: int, status: int, client: FlaskClient
) -> None:
    """As nginx says when it passed the request on, in seconds."""
    headers = {"X-Request-Start": f"{time.time() - waited:.3f}"}
    answer = client.get("/", headers=headers)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == (None if status == 200 else "5")


@pytest.mark.parametrize("start", ["", "nonsense", "nan", "inf", "9" * 400])
def test_a_start_that_is_no_time_counts_for_nothing(
    start: str, client: FlaskClient
) -> None:
    """Another proxy may count otherwise, or not at all."""
    assert client.get("/", headers={"X-Request-Start": start}).status_code == 200


def test_without_a_proxy_nobody_says_how_long_a_request_has_waited() -> None:
    """A client cannot know it."""
    client = create_app("testing").test_client()
    assert client.get("/", headers={"X-Request-Start": "1"}).status_code == 200


def length() -> str:
    """Return the length of the body as a view sees it."""
    return str(len(request.get_data()))


@pytest.mark.parametrize(
    ("size", "ended", "status"),
    [(0, True, 200), (10, True, 200), (11, True, 413), (10, False, 411)],
)
def test_a_chunked_body_arrives_whole_or_is_refused(
    size: int, *, ended: bool, status: int
) -> None:
    """The server decodes the chunks, and says whether it ends the body."""
    app = create_app({"TESTING": True, "MAX_CONTENT_LENGTH": 10})
    app.add_url_rule("/length", view_func=length, methods=["POST"])
    environ = {
        "wsgi.input": io.BytesIO(b"x" * size),
        "wsgi.input_terminated": ended,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    answer = app.test_client().post("/length", environ_overrides=environ)
    assert answer.status_code == status
    assert status != 200 or answer.text == str(size)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_secure_cookie_over_plain_http_is_warned_about_once(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in a process: browsers drop it, and with it the login."""

    def login() -> str:
        session["user"] = "me"
        return ""

    warn_of_lost_cookie.cache_clear()
    for _ in range(2):
        app = create_app({"TESTING": True, "SESSION_COOKIE_SECURE": True})
        app.add_url_rule("/login", view_func=login)
        app.test_client().get("/login", base_url=f"{scheme}://localhost")
    warnings = [record for record in caplog.records if record.name == logger.name]
    assert len(warnings) == (scheme == "http")
    assert all("SESSION_COOKIE_SECURE" in record.message for record in warnings)


@pytest.mark.parametrize("hops", [0, 1])
def test_scheme_and_host_are_taken_from_the_named_hops_only(hops: int) -> None:
    """Forged X-Forwarded-Prefix, -Port and Forwarded change nothing."""
    app = create_app({"TESTING": True, "PROXY_HOPS": hops})
    app.add_url_rule("/seen", view_func=lambda: request.url)
    forwarded = {
        "X-Forwarded-Proto": "gopher, https",
        "X-Forwarded-Host": "evil.test, named.test",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "666",
        "Forwarded": "for=6.6.6.6;host=evil.test;proto=gopher",
    }
    seen = app.test_client().get("/seen", headers=forwarded).text
    assert seen == ("https://named.test/seen" if hops else "http://localhost/seen")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("named.test", 200),
        ("NAMED.Test", 200),
        ("named.test.", 200),
        ("Named.test.:8443", 200),
        ("[::1]", 200),
        ("[::1]:8443", 200),
        ("[::2]", 400),
        ("named.test..", 400),
        ("other.test", 400),
        ("", 400),
    ],
)
def test_a_host_is_trusted_in_every_spelling_of_its_name(
    host: str, status: int
) -> None:
    """Capitals, a final dot and a port make no other host (RFC 9110, 4.2.3)."""
    app = create_app({"TESTING": True, "TRUSTED_HOSTS": ["named.test", "[::1]"]})
    assert app.test_client().get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("uri", "status"), [("/?q=%C3%A9", 200), ("/?q=\xc3\xa9", 400)]
)
def test_a_request_line_with_raw_bytes_is_refused(
    uri: str, status: int, client: FlaskClient
) -> None:
    """As WSGI has them: each byte is a character."""
    answer = client.get("/", environ_overrides={"REQUEST_URI": uri})
    assert answer.status_code == status
