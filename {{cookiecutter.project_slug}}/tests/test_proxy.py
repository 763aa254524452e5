"""Headers of a reverse proxy count behind a proxy, and only there."""

import io
import time

import pytest
from flask import Flask, redirect, request, session, url_for
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import Client
from werkzeug.wrappers import Response

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.proxy import LONGEST_WAIT


@pytest.fixture
def app() -> Flask:
    """Return an application behind a proxy."""
    return create_app({"TESTING": True, "PROXY_HOPS": 1})


@pytest.mark.parametrize(("waited", "status"), [(0, 200), (LONGEST_WAIT + 1, 503)])
def test_only_a_request_that_waited_too_long_is_refused(
    waited: int, status: int, client: FlaskClient
) -> None:
    """X-Request-Start is the time at which nginx received it, in seconds."""
    headers = {"X-Request-Start": f"{time.time() - waited:.3f}"}
    answer = client.get("/healthz", headers=headers)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == (None if status == 200 else "5")


@pytest.mark.parametrize("start", ["", "nonsense", "nan", "inf", "9" * 400])
def test_an_invalid_start_time_is_ignored(start: str, client: FlaskClient) -> None:
    """Other proxies use other units, or do not send it."""
    assert client.get("/healthz", headers={"X-Request-Start": start}).status_code == 200


def test_without_a_proxy_the_start_time_is_ignored() -> None:
    """Clients could forge it."""
    client = create_app("testing").test_client()
    assert client.get("/healthz", headers={"X-Request-Start": "1"}).status_code == 200


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
    """The server decodes the chunks; not every server marks the end of the body."""
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


SEEN_BEHIND = [
    "http://localhost/seen 127.0.0.1",
    "https://near.test/seen 192.0.2.1",
    "http://far.test/seen 192.0.2.2",
]


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_scheme_host_and_address_are_taken_from_the_named_hops_only(hops: int) -> None:
    """The last hop is the nearest; what stands before those named is forged."""
    forwarded = {
        "X-Forwarded-Proto": "gopher, http, https",
        "X-Forwarded-Host": "evil.test, far.test, near.test",
        "X-Forwarded-For": "6.6.6.6, 192.0.2.2, 192.0.2.1",
    }
    assert seen_behind(hops, forwarded) == SEEN_BEHIND[hops]


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Prefix", "/evil, /evil, /evil"),
        ("X-Forwarded-Port", "666, 666, 666"),
        ("X-Forwarded-Server", "evil.test, evil.test, evil.test"),
        ("Forwarded", "for=6.6.6.6;host=evil.test;proto=gopher"),
        ("X-Real-IP", "6.6.6.6"),
    ],
)
def test_other_forwarded_headers_change_nothing(
    hops: int, name: str, value: str
) -> None:
    """They arrive as the client has sent them."""
    assert seen_behind(hops, {name: value}) == SEEN_BEHIND[0]


def seen_behind(hops: int, headers: dict[str, str]) -> str:
    """Return the URL and the client address of a request as a view sees them."""
    app = create_app({"TESTING": True, "PROXY_HOPS": hops})
    app.add_url_rule("/seen", view_func=lambda: f"{request.url} {request.remote_addr}")
    return app.test_client().get("/seen", headers=headers).text


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
    """Capitals, a final dot and a port do not change the host (RFC 9110, 4.2.3)."""
    app = create_app({"TESTING": True, "TRUSTED_HOSTS": ["named.test", "[::1]"]})
    answer = app.test_client().get("/healthz", headers={"Host": host})
    assert answer.status_code == status


@pytest.mark.parametrize("given", ["0123456789abcdef", "a.b-c_d-e"])
def test_a_request_keeps_a_valid_id(given: str, client: FlaskClient) -> None:
    """So that the logs of nginx and of the service have the same one."""
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, 'forged" line', "ünïcode-id"])
def test_a_request_without_a_valid_id_gets_one(given: str, client: FlaskClient) -> None:
    """Unchecked text must not reach the log."""
    headers = {"X-Request-ID": given}
    ids = {
        client.get("/healthz", headers=headers).headers["X-Request-ID"]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


def test_an_untrusted_host_gets_an_error_page() -> None:
    """No link in it leads to that host."""
    app = create_app({"TESTING": True, "TRUSTED_HOSTS": ["named.test"]})
    client = app.test_client()
    assert client.get("/none", base_url="http://named.test").status_code == 404
    answer = client.get("/none", base_url="http://evil.test")
    assert answer.status_code == 400
    assert "evil.test/" not in answer.text


@pytest.mark.parametrize(
    ("uri", "status"), [("/healthz?q=%C3%A9", 200), ("/healthz?q=\xc3\xa9", 400)]
)
def test_a_request_line_with_raw_bytes_is_refused(
    uri: str, status: int, client: FlaskClient
) -> None:
    """WSGI decodes each byte to one character."""
    answer = client.get("/healthz", environ_overrides={"REQUEST_URI": uri})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/shop/user", "/user"])
def test_below_a_sub_path_links_and_cookies_have_its_prefix(path: str) -> None:
    """Whether the proxy passes the prefix on or not."""
    app = create_app({"TESTING": True, "APPLICATION_ROOT": "/shop", "PROXY_HOPS": 1})

    def user() -> Response:
        session["user"] = "me"
        return redirect(url_for("user"))

    app.add_url_rule("/user", view_func=user)
    headers = Headers({"X-Forwarded-Prefix": "/evil"})
    answer = Client(app).open(path, headers=headers)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/shop/user"
    assert "; Path=/shop" in answer.headers["Set-Cookie"]
    assert Client(app).open("/healthz").status_code == 200
    assert Client(app).open("/shop/static/none").status_code == 404
    assert Client(app).open("/shopping").status_code == 404
