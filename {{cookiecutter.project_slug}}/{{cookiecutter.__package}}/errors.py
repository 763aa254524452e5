"""Respond to errors with a page for browsers, or with problem details for programs."""

import html
import json
import re

from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from .proxy import current_request_id

PROBLEM = "application/problem+json"  # RFC 9457


def init_app(app: Flask) -> None:
    """Handle all HTTP errors; an unhandled exception becomes a 500."""
    app.register_error_handler(HTTPException, answer)


def answer(error: HTTPException) -> ResponseReturnValue:
    """Return the error as a page if the client names HTML, as browsers do.

    Programs send ``*/*`` or no Accept header, and get problem details, as do those that
    name JSON. Headers of the error are kept: Allow, Retry-After, WWW-Authenticate.
    """
    response = error.get_response()
    if error.response is not None:  # made by a view
        return response
    response.vary.add("Accept")
    accepted = request.accept_mimetypes.best_match(
        [PROBLEM, "text/html", "application/json"], default=PROBLEM
    )
    if accepted == "text/html":
        if page := render(error):
            response.set_data(page)
        return response  # otherwise it holds the plain page of Werkzeug
    problem = {
        "type": "about:blank",  # RFC 9457, 4.2.1: no more than the status code
        "title": error.name,
        "status": error.code,
        "detail": error.description,
        "request_id": current_request_id(),
    }
    known = {name: value for name, value in problem.items() if value is not None}
    response.set_data(json.dumps(known))
    response.content_type = PROBLEM
    return response


def render(error: HTTPException) -> str | None:
    """Return the page; None, and a line in the log, if the templates cannot show it."""
    try:
        page = render_template("error.html", error=error)
    except Exception:
        current_app.logger.exception("error.html: cannot be rendered")
        return None
    # A base.html without the blocks of error.html drops its text.
    shown = html.unescape(page.rpartition("</title>")[2])
    said = rf"\b{error.code}\b|{re.escape(error.name)}"
    if re.search(said, shown, re.IGNORECASE):
        return page
    current_app.logger.error(
        "error.html: shows neither %s nor %r; do its blocks exist in base.html?",
        error.code,
        error.name,
    )
    return None
