"""Give every request an id, to find it in the logs of nginx and of this service."""

import re
import secrets
from wsgiref.types import WSGIEnvironment

from flask import has_request_context, request

# What nginx makes ($request_id) and what tracing systems send; nothing that could
# forge a log line or a header.
VALID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def take_id(environ: WSGIEnvironment) -> str:
    """Return the id that came with a request; if there is no good one, it gets one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    if not VALID.fullmatch(given):
        given = environ["HTTP_X_REQUEST_ID"] = secrets.token_hex(16)
    return str(given)


def current_id() -> str | None:
    """Return the id of the request at work, if there is one."""
    return request.headers.get("X-Request-ID") if has_request_context() else None
