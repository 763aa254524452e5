"""Refuse requests that have waited too long, so that an overload ends by itself."""

import time

from flask import Blueprint, request
from werkzeug.exceptions import ServiceUnavailable

bp = Blueprint("overload", __name__)

# Whoever has waited for so many seconds has mostly given up, and working for them
# makes others wait. Longer than a restart takes, shorter than nginx waits.
LONGEST_WAIT = 10


@bp.before_app_request
def refuse() -> None:
    """Answer 503 to a request that nginx passed on too long ago."""
    start = request.headers.get("X-Request-Start", type=float)
    if start is not None and time.time() - start > LONGEST_WAIT:
        raise ServiceUnavailable(retry_after=5)
