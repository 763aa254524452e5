"""Put the security headers on every response."""

from flask import Flask, Response

HEADERS = {
    # Nothing but this site's own files, no inline script or style, no framing.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # The browser takes the Content-Type as it is given.
    "X-Content-Type-Options": "nosniff",
    # Other sites learn this one's name, not the address of the page.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    # Other origins can neither keep a handle on our windows nor embed our files.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # No page of this service needs these.
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init_app(app: Flask) -> None:
    """Add the headers; a view that sets one of them itself keeps its own."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
