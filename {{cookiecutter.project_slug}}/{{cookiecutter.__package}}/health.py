"""Tell a load balancer or an operator how the service is."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, current_app, jsonify

bp = Blueprint("health", __name__)

Check = Callable[[], object]


def init_app(app: Flask) -> None:
    """Register `/healthz` and `/readyz`, with no readiness checks yet."""
    app.extensions["readiness"] = {}
    app.register_blueprint(bp)


def add_check(app: Flask, name: str, check: Check) -> None:
    """Have `/readyz` call `check`, which raises an exception when it is not ready.

    Args:
        app: The application, in `create_app` or an extension's `init_app`.
        name: What is checked, as the answer names it: "database".
        check: Called without arguments, in a request; should be quick.

    """
    app.extensions["readiness"][name] = check


@bp.get("/healthz")
def healthz() -> Response:
    """Say that the process is alive, whatever it depends on."""
    return fresh(jsonify(status="ok"))


@bp.get("/readyz")
def readyz() -> Response:
    """Say whether everything that the service depends on is there: 200, or 503."""
    checks = {}
    for name, check in current_app.extensions["readiness"].items():
        try:
            check()
        except Exception:
            current_app.logger.warning("not ready: %s", name, exc_info=True)
            checks[name] = "failed"
        else:
            checks[name] = "ok"
    ready = "failed" not in checks.values()
    response = jsonify(status="ok" if ready else "unavailable", checks=checks)
    response.status_code = 200 if ready else 503
    return fresh(response)


def fresh(response: Response) -> Response:
    """Keep caches from answering in the service's place."""
    response.headers["Cache-Control"] = "no-store"
    return response
