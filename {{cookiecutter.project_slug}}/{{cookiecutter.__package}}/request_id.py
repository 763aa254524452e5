"""Give every request an id, to find it in the logs of nginx and of this service."""

import re
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from flask import has_request_context, request

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What nginx makes ($request_id) and what tracing systems send; nothing that could
# forge a log line or a header.
VALID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId:
    """WSGI middleware: each request has an id, and its answer names it."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Take the application whose requests get one."""
        self.app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Leave the request the id that came with it, or give it a new one."""
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if VALID.fullmatch(given) else secrets.token_hex(16)
        environ["HTTP_X_REQUEST_ID"] = request_id

        def start(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: "OptExcInfo | None" = None,
        ) -> Callable[[bytes], object]:
            named = [*headers, ("X-Request-ID", request_id)]
            return start_response(status, named, exc_info)

        return self.app(environ, start)


def current_id() -> str | None:
    """Return the id of the request at work, if there is one."""
    return request.headers.get("X-Request-ID") if has_request_context() else None
