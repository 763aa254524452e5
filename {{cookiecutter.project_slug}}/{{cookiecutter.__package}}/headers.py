"""Put the security headers and the request ID on every response."""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from .config import policy
from .csp import HEADER, SENT
from .proxy import ensure_request_id, normalize_host

logger = logging.getLogger(__name__)

# The Content-Security-Policy is a setting.
HEADERS = {
    # Browsers do not guess another Content-Type.
    "X-Content-Type-Options": "nosniff",
    # Other sites get the origin, not the URL of the page.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    # Other origins can neither access our windows nor embed our files.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Features that no page of this service needs.
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init_app(app: Flask) -> None:
    """Add the headers to every response of the application."""
    headers = dict(HEADERS)
    if text := policy.header(app.config[policy.NAME]):
        headers[HEADER] = text
    app.wsgi_app = ResponseHeaders(app.wsgi_app, headers)  # type: ignore[method-assign]


class ResponseHeaders:
    """WSGI middleware that adds the security headers and the request ID."""

    def __init__(self, app: WSGIApplication, headers: dict[str, str]) -> None:
        """Wrap a WSGI application, whose responses get these headers."""
        self.app = app
        self.headers = headers

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call the application; a header that it sets takes precedence."""
        normalize_host(environ)
        added = {**self.headers, "X-Request-ID": ensure_request_id(environ)}

        def start(
            status: str,
            headers: list[tuple[str, str]],
            *error: Any,  # noqa: ANN401 - sys.exc_info(), if there is one
        ) -> Callable[[bytes], object]:
            environ[SENT] = True
            given = {name.lower() for name, _ in headers}
            if "set-cookie" in given and loses_cookie(environ, headers):
                warn_of_lost_cookie()
            headers += [item for item in added.items() if item[0].lower() not in given]
            return start_response(status, headers, *error)

        return self.app(environ, start)


def loses_cookie(environ: WSGIEnvironment, headers: list[tuple[str, str]]) -> bool:
    """Return whether a response over plain HTTP sets a Secure cookie."""
    return environ["wsgi.url_scheme"] == "http" and any(
        name.lower() == "set-cookie" and "; secure" in value.lower()
        for name, value in headers
    )


@functools.cache
def warn_of_lost_cookie() -> None:
    """Log, once in a process, that browsers drop a cookie."""
    logger.warning(
        "a Secure cookie was set over plain HTTP, and browsers drop it: "
        "set SESSION_COOKIE_SECURE = False, or serve by HTTPS"
    )
