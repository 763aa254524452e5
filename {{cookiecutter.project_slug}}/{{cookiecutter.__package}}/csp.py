{% raw -%}
"""The Content-Security-Policy: for one view, with a nonce, and its violations."""

import functools
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, after_this_request, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from .config import policy

logger = logging.getLogger(__name__)

HEADER = "Content-Security-Policy"
# In the WSGI environment: the policy of this response, its nonce, and whether its
# headers were sent.
OWN, NONCE, SENT = f"{__name__}.policy", f"{__name__}.nonce", f"{__name__}.sent"

# In development, browsers post violations here.
REPORTS = "/csp-violations"
LARGEST_REPORT = 64 * 1024
NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
# What a report calls what is no address, and the source that allows it.
SPECIAL = {
    "inline": "'unsafe-inline'",
    "eval": "'unsafe-eval'",
    "wasm-eval": "'wasm-unsafe-eval'",
}

View = Callable[..., Any]


def init_app(app: Flask) -> None:
    """Add `csp_nonce()` to the templates; in development, log violations."""
    app.add_template_global(csp_nonce)
    if app.config["ENV"] == "development":
        app.wsgi_app = Violations(app.wsgi_app)  # type: ignore[method-assign]


def change(directives: Mapping[str, object]) -> None:
    """Change directives of the policy for the response to the current request.

    Args:
        directives: As in CONTENT_SECURITY_POLICY: the others stay as they are.

    Raises:
        ValueError: A directive or its value is invalid.

    """
    check(directives)
    own_policy().update(directives)


def changed(directives: Mapping[str, object]) -> Callable[[View], View]:
    """Decorate a view: change directives of the policy for its responses.

    Raises:
        ValueError: A directive or its value is invalid.

    """
    check(directives)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def decorated(*args: object, **kwargs: object) -> object:
            own_policy().update(directives)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return decorated

    return decorate


def check(directives: Mapping[str, object]) -> None:
    """Raise ValueError if a directive or its value is invalid."""
    if found := list(policy.problems(dict(directives))):
        raise ValueError("; ".join(found))


def csp_nonce() -> str:
    """Return the nonce of this response, which its policy then allows.

    Raises:
        RuntimeError: The headers were sent: the template is streamed, and its view
            has not called this before.

    """
    if NONCE not in request.environ:
        own_policy()
        request.environ[NONCE] = secrets.token_urlsafe(16)
    return str(request.environ[NONCE])


def own_policy() -> dict[str, object]:
    """Return the policy of this response, which may be changed."""
    if SENT in request.environ:
        message = "the headers were sent: call this before stream_template()"
        raise RuntimeError(message)
    if OWN not in request.environ:
        request.environ[OWN] = dict(current_app.config[policy.NAME])
        after_this_request(set_header)
    own: dict[str, object] = request.environ[OWN]
    return own


def set_header(response: Response) -> Response:
    """Set the policy of this response, unless the view has set the header."""
    own: dict[str, object] = request.environ[OWN]
    if nonce := request.environ.get(NONCE):
        own = with_nonce(own, f"'nonce-{nonce}'")
    if text := policy.header(own):
        response.headers.setdefault(HEADER, text)
    return response


def with_nonce(own: dict[str, object], nonce: str) -> dict[str, object]:
    """Return a policy that allows a nonce, for scripts and for styles.

    A directive with 'unsafe-inline' stays as it is: browsers ignore that keyword
    beside a nonce.
    """
    allowed = dict(own)
    default = own.get("default-src", False)
    for name in ("script-src", "script-src-elem", "style-src", "style-src-elem"):
        value = own.get(name, False)
        if value is False and not name.endswith("-elem"):
            value = default
        sources = [word for word in policy.words(value).split() if word != "'none'"]
        if value is not False and "'unsafe-inline'" not in sources:
            allowed[name] = [*sources, nonce]
    return allowed


class Violations:
    """WSGI middleware for development: log what the policy makes browsers refuse.

    It stands before the application, whose login or CSRF protection would refuse the
    reports of browsers.
    """

    def __init__(self, app: WSGIApplication) -> None:
        """Wrap a WSGI application."""
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Receive a report, or add its address to the policy of a response."""
        if environ["PATH_INFO"] == REPORTS and environ["REQUEST_METHOD"] == "POST":
            return Response(status=receive(environ))(environ, start_response)
        address = environ.get("SCRIPT_NAME", "") + REPORTS

        def start(
            status: str,
            headers: list[tuple[str, str]],
            *error: Any,  # noqa: ANN401 - sys.exc_info(), if there is one
        ) -> Callable[[bytes], object]:
            sent = [(name, reporting(name, value, address)) for name, value in headers]
            return start_response(status, sent, *error)

        return self.app(environ, start)


def reporting(name: str, value: str, address: str) -> str:
    """Return the value of a header; if it is a policy, with the address of reports.

    `report-uri` alone: beside `report-to`, Chromium ignores it, and sends reports up to
    a minute later, or over plain HTTP never.
    """
    if not name.lower().startswith(HEADER.lower()):
        return value
    directives = [text.strip() for text in value.split(";")]
    kept = [text for text in directives if not text.startswith("report-")]
    return "; ".join([*filter(None, kept), f"report-uri {address}"])


def receive(environ: WSGIEnvironment) -> int:
    """Log the violations in a report, and return the status of the response."""
    posted = Request(environ)
    posted.max_content_length = LARGEST_REPORT
    try:
        found = json.loads(posted.get_data())
        reports = found if isinstance(found, list) else [found]
        bodies = [report.get("csp-report") or report["body"] for report in reports]
        lines = [describe({str(k): str(v) for k, v in x.items()}) for x in bodies]
    except HTTPException as error:
        logger.warning("a report of a violation was refused: %s", error)
        return error.code or 400
    except (ArithmeticError, AttributeError, LookupError, RecursionError, ValueError):
        logger.warning("a report of a violation could not be read")
        return 400
    for line in lines:
        logger.warning("%s", line)
    return 204


def describe(report: Mapping[str, str]) -> str:
    """Return a violation in one line, with the setting that would allow it.

    Args:
        report: Of `application/csp-report` (names with a hyphen), or the body of one of
            `application/reports+json` (names in camel case).

    """

    def get(*names: str) -> str:
        text = next((report[name] for name in names if name in report), "")
        return NOT_PRINTABLE.sub("?", text)

    violated = get("effective-directive", "effectiveDirective", "violated-directive")
    directive = violated.split(" ")[0][:50]
    blocked = get("blocked-uri", "blockedURL")
    page = get("document-uri", "documentURL")[:200]
    place = get("source-file", "sourceFile")[:200] or page
    line = get("line-number", "lineNumber")[:9] or "?"
    allowed = dict.fromkeys(policy.SOURCES, "")
    for text in get("original-policy", "originalPolicy").split(";"):
        name, _, sources = text.strip().partition(" ")
        allowed[name] = sources
    way = way_out(directive, blocked, page, allowed)
    if place != page:
        page = f"{page} ({place})"
    return (
        f"{HEADER}: {directive} blocked {blocked[:200]} on {page}, line {line}; "
        f"to allow it: {way}"
    )


def way_out(directive: str, blocked: str, page: str, allowed: Mapping[str, str]) -> str:
    """Return the setting that would allow what was blocked."""
    if directive not in policy.SOURCES:
        return f"{policy.NAME} = {json.dumps({directive: False})}"
    name = directive
    if not allowed[name]:
        name = directive.removesuffix("-elem").removesuffix("-attr")
    sources = (allowed[name] or allowed["default-src"]).split()
    kept = [word for word in sources if word != "'none'" and "nonce-" not in word]
    value = " ".join([*kept, source_of(blocked, page)])
    way = f"{policy.NAME} = {json.dumps({name: value})}"
    if directive in ("script-src-elem", "style-src-elem") and blocked == "inline":
        return f"csp_nonce() in the template, or {way}"
    return way


def source_of(blocked: str, page: str) -> str:
    """Return the source that allows what a report says was blocked."""
    if blocked in SPECIAL:
        return SPECIAL[blocked]
    try:
        url, own = urlsplit(blocked), urlsplit(page)
    except ValueError:
        return blocked
    if not url.netloc:
        return f"{blocked.partition(':')[0]}:"
    if (url.scheme, url.netloc) == (own.scheme, own.netloc):
        return "'self'"
    return f"{url.scheme}://{url.netloc}"
{% endraw %}
