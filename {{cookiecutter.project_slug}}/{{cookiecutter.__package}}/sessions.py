"""Spend no time on a session where there is none."""

from flask import Flask, Request, Response
from flask.sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMixin,
)


class SessionInterface(SecureCookieSessionInterface):
    """Flask's own sessions, without their cost for requests that have none.

    By itself, Flask makes what verifies a session before it sees that no cookie has
    come, and looks up how to set one before it sees that there is nothing to keep: a
    third of what it does for a short request.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return an empty session to a request without cookies."""
        if app.secret_key and "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        """Leave the response as it is if the session is empty and nobody asked it."""
        if session or session.accessed:
            super().save_session(app, session, response)
