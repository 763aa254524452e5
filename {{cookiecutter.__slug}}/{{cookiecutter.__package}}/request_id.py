"""Give every request an id, to find it in the logs of nginx and of this service."""

import re
import uuid

from flask import Blueprint, Response, g, request

bp = Blueprint("request_id", __name__)

# What nginx makes ($request_id) and what tracing systems send; nothing that could
# forge a log line or a header.
VALID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@bp.before_app_request
def take() -> None:
    """Set `g.request_id`: the id that came with the request, or a new one."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if VALID.fullmatch(given) else uuid.uuid4().hex


@bp.after_app_request
def give(response: Response) -> Response:
    """Return the id with the response."""
    if "request_id" in g:  # not when something before `take` has answered
        response.headers["X-Request-ID"] = g.request_id
    return response
