"""Long requests are counted, and leave threads to the others."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.streams import LONG_PATHS

PATH = f"{LONG_PATHS[0]}events"
HANDSHAKE = {"Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def events() -> Response:
    """Send two events."""

    def generate() -> Iterator[str]:
        yield "data: 1\n\n"
        yield "data: 2\n\n"

    return Response(generate(), mimetype="text/event-stream")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Return a client of an application that streams events."""
    app.add_url_rule(PATH, view_func=events)
    return app.test_client()


@pytest.mark.parametrize("threads", [1, 5, 8])
def test_the_surplus_is_refused_until_one_ends(threads: int) -> None:
    """Half of the threads remain, with the time after which to ask again."""
    app = create_app({"ENV": "testing", "THREADS": threads})
    app.add_url_rule(PATH, view_func=events)
    client = app.test_client()
    with ExitStack() as stack:
        for _ in range(threads // 2):
            answer = stack.enter_context(client.get(PATH))
            assert answer.status_code == 200
        refused = client.get(PATH)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "5"
        assert client.get("/healthz").status_code == 200
    with client.get(PATH) as answer:
        assert answer.status_code == (200 if threads > 1 else 503)


def test_requests_that_fail_are_not_counted(app: Flask, client: FlaskClient) -> None:
    """An exception ends a request, too."""

    def fail() -> str:
        raise ZeroDivisionError

    app.add_url_rule(f"{LONG_PATHS[0]}fail", view_func=fail)
    for _ in range(app.config["THREADS"]):
        with pytest.raises(ZeroDivisionError):
            client.get(f"{LONG_PATHS[0]}fail")
    with client.get(PATH) as answer:
        assert answer.status_code == 200


def test_nginx_does_not_buffer_events(client: FlaskClient) -> None:
    """On any path."""
    with client.get(PATH) as answer:
        assert answer.headers["X-Accel-Buffering"] == "no"
    assert "X-Accel-Buffering" not in client.get("/healthz").headers


@pytest.mark.parametrize("path", ["/none", PATH])
def test_a_websocket_is_refused_by_a_server_without_them(
    path: str, client: FlaskClient
) -> None:
    """With a status that is not mistaken for a fault of the application."""
    answer = client.get(path, headers=HANDSHAKE)
    assert answer.status_code == 501


@pytest.mark.parametrize("name", ["gunicorn.socket", "werkzeug.socket"])
def test_a_websocket_reaches_the_application(name: str, client: FlaskClient) -> None:
    """Where the server gives it the connection."""
    answer = client.get(PATH, headers=HANDSHAKE, environ_overrides={name: None})
    assert answer.status_code == 200
    answer.close()
