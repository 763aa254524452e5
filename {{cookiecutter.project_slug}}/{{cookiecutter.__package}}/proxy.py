"""What a reverse proxy adds to a request: client address, request ID, start time."""

import io
import re
import secrets
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, has_request_context, request
from werkzeug.exceptions import (
    BadRequest,
    LengthRequired,
    RequestEntityTooLarge,
    ServiceUnavailable,
)
from werkzeug.middleware.proxy_fix import ProxyFix

# IDs of nginx ($request_id) and of tracing systems. Other characters could forge a log
# record or a header.
VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

# Seconds after which most clients have given up, so that a response would only delay
# other requests. Longer than a restart takes, shorter than the timeout of nginx.
LONGEST_WAIT = 10


def init_app(app: Flask) -> None:
    """Trust the forwarded headers of PROXY_HOPS proxies, and no others."""
    app.request_class = HostRequest
    app.before_request(refuse_raw_bytes)
    app.before_request(receive_chunked_body)
    if (prefix := app.config["APPLICATION_ROOT"].rstrip("/")) != "":
        app.wsgi_app = SubPath(app.wsgi_app, prefix)  # type: ignore[method-assign]
    if hops := app.config["PROXY_HOPS"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
        app.before_request(refuse_late)


class SubPath:
    """WSGI middleware that serves the application below APPLICATION_ROOT.

    A proxy may pass the path on with this prefix or without it.
    """

    def __init__(self, app: WSGIApplication, prefix: str) -> None:
        """Wrap a WSGI application."""
        self.app = app
        self.prefix = prefix

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Move the prefix from the path to SCRIPT_NAME, from which links are built."""
        # A dispatcher that mounts this application has set SCRIPT_NAME already.
        if not environ.get("SCRIPT_NAME"):
            environ["SCRIPT_NAME"] = self.prefix
            path = environ["PATH_INFO"]
            if path.startswith(f"{self.prefix}/"):
                environ["PATH_INFO"] = path.removeprefix(self.prefix)
        return self.app(environ, start_response)


class HostRequest(Request):
    """A request whose Host may be an IPv6 address of TRUSTED_HOSTS.

    Werkzeug cuts each entry of that list at its first colon, so that "[::1]" is never
    found in it.
    """

    _trusted_hosts: list[str] | None = None

    @property
    def trusted_hosts(self) -> list[str] | None:
        """The hosts to compare with; None if this one is literally among them."""
        host = re.sub(r"(?<=]):\d+$", "", self.headers.get("Host", ""))
        if host.startswith("[") and host in (self._trusted_hosts or ()):
            return None
        return self._trusted_hosts

    @trusted_hosts.setter
    def trusted_hosts(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, hosts: list[str] | None
    ) -> None:
        self._trusted_hosts = hosts


def refuse_raw_bytes() -> None:
    """Answer 400 to bytes beyond ASCII in the request line, on every server.

    A client must percent-encode them (RFC 9112, 3.2). waitress and gunicorn refuse
    them, uWSGI does not.
    """
    if not request.environ.get("REQUEST_URI", "").isascii():
        raise BadRequest


def receive_chunked_body() -> None:
    """Receive a chunked body whole, or refuse it with 411 or 413.

    nginx and waitress do so before the application is called. Of other servers,
    Werkzeug reads no body without a length that the server does not end
    (``wsgi.input_terminated``), and cuts one at MAX_CONTENT_LENGTH without an error.
    """
    environ = request.environ
    if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" not in environ:
        return
    if not environ.get("wsgi.input_terminated"):
        raise LengthRequired
    body = io.BytesIO()
    limit = request.max_content_length
    while data := environ["wsgi.input"].read(2**16):
        body.write(data)
        if limit is not None and body.tell() > limit:
            raise RequestEntityTooLarge
    environ["CONTENT_LENGTH"] = str(body.tell())
    del environ["HTTP_TRANSFER_ENCODING"]
    body.seek(0)
    environ["wsgi.input"] = body


def refuse_late() -> None:
    """Answer 503 if nginx received the request more than LONGEST_WAIT seconds ago.

    This shortens an overload: no time is spent on requests that no client waits for.
    """
    start = request.headers.get("X-Request-Start", type=float)
    if start is not None and time.time() - start > LONGEST_WAIT:
        raise ServiceUnavailable(retry_after=5)


def normalize_host(environ: WSGIEnvironment) -> None:
    """Write the Host header in lower case, without a final dot, as nginx does."""
    if host := environ.get("HTTP_HOST"):
        environ["HTTP_HOST"] = re.sub(r"\.(?=:\d+$|$)", "", host.lower())


def ensure_request_id(environ: WSGIEnvironment) -> str:
    """Return the ID that came with a request; replace a missing or invalid one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    if not VALID_ID.fullmatch(given):
        given = environ["HTTP_X_REQUEST_ID"] = secrets.token_hex(16)
    return str(given)


def current_request_id() -> str | None:
    """Return the ID of the current request, or None outside a request."""
    return request.headers.get("X-Request-ID") if has_request_context() else None
