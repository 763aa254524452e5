"""The least application that has the view: what a rendered project is compared with."""

from flask import Flask, Response, jsonify


def create_app() -> Flask:
    """Make an application of its own, as a rendered project does."""
    app = Flask(__name__)

    @app.get("/healthz")
    def healthz() -> Response:
        response = jsonify(status="ok")
        response.headers["Cache-Control"] = "no-store"
        return response

    return app
