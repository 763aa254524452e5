"""Respond to errors with a page, or with problem details for JSON clients."""

import json

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from .proxy import current_request_id

PROBLEM = "application/problem+json"  # RFC 9457


def init_app(app: Flask) -> None:
    """Handle all HTTP errors; an unhandled exception becomes a 500."""
    app.register_error_handler(HTTPException, answer)


def answer(error: HTTPException) -> ResponseReturnValue:
    """Return the error in the form that the Accept header prefers.

    Headers of the error are kept: Allow, Retry-After, WWW-Authenticate.
    """
    response = error.get_response()
    if error.response is not None:  # made by a view
        return response
    response.vary.add("Accept")
    accepted = request.accept_mimetypes.best_match(
        ["text/html", PROBLEM, "application/json"], default="text/html"
    )
    if accepted == "text/html":
        response.set_data(render_template("error.html", error=error))
        return response
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
