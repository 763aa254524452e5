"""The least application that has the view: what a rendered project is compared with."""

from flask import Flask, Response, jsonify


def create_app(_config: object = None) -> Flask:
    """Make an application of its own; it is called as that of a rendered project."""
    app = Flask(__name__)

    @app.get("/healthz")
    def healthz() -> Response:
        response = jsonify(status="ok")
        response.headers["Cache-Control"] = "no-store"
        return response

    return app
