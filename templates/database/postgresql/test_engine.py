"""PostgreSQL may go away, and come back."""

import time

import pytest
from flask import Flask
from sqlalchemy import Connection, inspect, text

from {{ cookiecutter.__package }} import create_app, engine
from {{ cookiecutter.__package }}.database import session

URL = "postgresql+psycopg://me:hidden@127.0.0.1:1/x"


def test_a_server_that_is_away_costs_each_request_little(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first waits for a restart, the others do not; no password is in the log."""
    monkeypatch.setattr(engine, "CONNECT", 0.3)
    app = create_app({"ENV": "testing", "DATABASE_URL": URL})
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    begin = time.monotonic()
    assert client.get("/topics").status_code == 503
    assert client.get("/readyz").status_code == 503
    assert time.monotonic() - begin < 2
    assert "hidden" not in caplog.text
    result = app.test_cli_runner().invoke(args=["config"])
    assert "me:***@127.0.0.1" in result.output
    assert "hidden" not in result.output


def test_a_connection_that_the_server_ends_is_replaced(database_app: Flask) -> None:
    """The next request has a new one."""
    found = database_app.extensions["engine"]
    first, second = found.connect(), found.connect()
    own = first.scalar(text("SELECT pg_backend_pid()"))
    first.close()
    ended = text("SELECT pg_terminate_backend(:pid, 5000)")
    assert second.scalar(ended, {"pid": own}) is True
    second.close()
    assert database_app.test_client().get("/topics").status_code == 200


def test_statements_and_locks_have_time_limits(database_app: Flask) -> None:
    """Below the one of nginx."""
    with database_app.app_context():
        assert session().scalar(text("SHOW statement_timeout")) == "20s"
        assert session().scalar(text("SHOW lock_timeout")) == "5s"


def test_a_migration_is_tried_again_while_a_table_is_in_use(
    database_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits a moment only, so that requests do not queue behind it."""
    found = database_app.extensions["engine"]
    reader = found.connect()
    reader.execute(text("SELECT * FROM topic"))
    monkeypatch.setattr("time.sleep", lambda _: reader.close())

    def change(connection: Connection) -> None:
        with connection.begin():
            connection.execute(text("ALTER TABLE topic ADD COLUMN kind text"))

    engine.migrate(found, change)
    names = [column["name"] for column in inspect(found).get_columns("topic")]
    assert "kind" in names
