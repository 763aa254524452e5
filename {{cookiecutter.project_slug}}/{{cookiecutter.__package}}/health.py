"""Report liveness and readiness to load balancers and operators."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, current_app, jsonify

bp = Blueprint("health", __name__)

Check = Callable[[], object]


def init_app(app: Flask) -> None:
    """Register `/healthz` and `/readyz`, with no readiness checks yet."""
    checks: dict[str, Check] = {}
    app.extensions["readiness"] = checks
    app.register_blueprint(bp)


def add_check(app: Flask, name: str, check: Check) -> None:
    """Add a check to `/readyz`. It raises an exception if the service is not ready.

    Args:
        app: The application, in `create_app` or an extension's `init_app`.
        name: What is checked, as the response names it: "database".
        check: Called without arguments, in each request to `/readyz`.

    """
    app.extensions["readiness"][name] = check


@bp.get("/healthz")
def healthz() -> Response:
    """Report that the process responds; nothing else is checked."""
    return fresh(jsonify(status="ok"))


@bp.get("/readyz")
def readyz() -> Response:
    """Run the readiness checks: 200 if all pass, otherwise 503."""
    checks = {}
    for name, check in current_app.extensions["readiness"].items():
        try:
            check()
        except Exception as error:
            reason = str(error).partition("\n")[0]
            current_app.logger.warning("not ready: %s: %s", name, reason, exc_info=True)
            checks[name] = "failed"
        else:
            checks[name] = "ok"
    ready = "failed" not in checks.values()
    response = jsonify(status="ok" if ready else "unavailable", checks=checks)
    response.status_code = 200 if ready else 503
    return fresh(response)


def fresh(response: Response) -> Response:
    """Forbid caching of a response."""
    response.headers["Cache-Control"] = "no-store"
    return response
