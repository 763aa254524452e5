"""Limit long requests, such as event streams and WebSockets: each occupies a thread."""

import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response
from werkzeug import exceptions
from werkzeug.wsgi import ClosingIterator

# Requests below these paths may be silent for an hour: deploy/nginx.conf has a
# `location` for each.
LONG_PATHS = ("/stream/",)

# Where gunicorn and the development server give the application the connection, which
# a WebSocket needs.
SOCKETS = {"gunicorn.socket", "werkzeug.socket"}

NO_WEBSOCKET = exceptions.NotImplemented("This server cannot open a WebSocket.")
FULL = exceptions.ServiceUnavailable(retry_after=5)


def init_app(app: Flask) -> None:
    """Limit the long requests of the application."""
    limit = app.extensions["streams"] = LongRequests(app)
    app.wsgi_app = limit  # type: ignore[method-assign]
    app.after_request(send_at_once)


def send_at_once(response: Response) -> Response:
    """Have nginx pass on each event when it is sent, not at the end of the response."""
    if response.mimetype == "text/event-stream":
        response.headers.setdefault("X-Accel-Buffering", "no")
    return response


def is_websocket(environ: WSGIEnvironment) -> bool:
    """Return whether a request opens a WebSocket (RFC 6455, 4.2.1)."""
    upgrade = str(environ.get("HTTP_UPGRADE", "")).lower()
    return upgrade == "websocket" and "HTTP_SEC_WEBSOCKET_KEY" in environ


class LongRequests:
    """WSGI middleware that counts long requests and refuses the surplus.

    Half of the threads of this process remain for other requests.

    Attributes:
        most: How many are open at a time; the others get 503.
        open: The environment of each. server.py does not wait for these when it stops.

    """

    def __init__(self, app: Flask) -> None:
        """Wrap the current WSGI application of a Flask application."""
        self.flask = app
        self.app = app.wsgi_app
        self.most: int = app.config["THREADS"] // 2
        self.open: list[WSGIEnvironment] = []
        self.lock = threading.Lock()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call the application, or respond with 501 or 503."""
        websocket = is_websocket(environ)
        if websocket and SOCKETS.isdisjoint(environ):
            return self.refuse(NO_WEBSOCKET, environ, start_response)
        if not websocket and not environ["PATH_INFO"].startswith(LONG_PATHS):
            return self.app(environ, start_response)
        with self.lock:
            full = len(self.open) >= self.most
            if not full:
                self.open.append(environ)
        if full:
            return self.refuse(FULL, environ, start_response)
        try:
            body = self.app(environ, start_response)
        except BaseException:
            self.release(environ)
            raise
        return ClosingIterator(body, lambda: self.release(environ))

    def release(self, environ: WSGIEnvironment) -> None:
        """Remove a request that has ended."""
        with self.lock:
            self.open = [other for other in self.open if other is not environ]

    def refuse(
        self,
        error: exceptions.HTTPException,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Respond with an error, in the form that the client prefers."""
        with self.flask.request_context(environ):
            answer = self.flask.handle_user_exception(error)
            response = self.flask.make_response(answer)
        return response(environ, start_response)
