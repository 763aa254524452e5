"""Load balancers and operators learn the state of the service."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from {{ cookiecutter.__package }} import health


def test_healthz_reports_a_live_process(client: FlaskClient) -> None:
    """Caches must not answer in its place."""
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_readyz_runs_the_added_checks(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One failed check makes it 503; the reason is for the log only."""

    def fail() -> None:
        message = "secret address of the database"
        raise ConnectionError(message)

    app.extensions["readiness"].clear()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", "checks": {}}
    health.add_check(app, "cache", lambda: None)
    health.add_check(app, "database", fail)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = {"cache": "ok", "database": "failed"}
    assert answer.get_json() == {"status": "unavailable", "checks": checks}
    assert answer.headers["Cache-Control"] == "no-store"
    assert "WARNING" in caplog.text
    line = "not ready: database: secret address of the database\nTraceback"
    assert line in caplog.text
    assert "secret" not in answer.text
    assert client.get("/healthz").status_code == 200
