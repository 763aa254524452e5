"""PostgreSQL may go away, and come back."""

import os
import re
import shutil
import signal
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import Connection, inspect, text
from throwaway import New

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


def test_a_frozen_server_is_given_up() -> None:
    """It accepts connections, and does not answer. One thread waits for it."""
    directory = tempfile.mkdtemp(dir="/tmp")
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(f"{directory}/.s.PGSQL.5432")
        frozen.listen()
        url = f"postgresql+psycopg:///x?host={directory}"
        app = create_app({"ENV": "testing", "DATABASE_URL": url})

        def ready(_number: int) -> float:
            begin = time.monotonic()
            assert app.test_client().get("/readyz").status_code == 503
            return time.monotonic() - begin

        assert ready(0) < 3
        with ThreadPoolExecutor(4) as threads:
            first, second, third, last = sorted(threads.map(ready, range(4)))
        assert max(first, second, third) < 0.5
        assert last < 3
    shutil.rmtree(directory)


def backend(connection: Connection) -> int:
    """Return the process of the server that serves a connection."""
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_a_frozen_connection_is_replaced(
    database_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the pool after a ping; one in use costs its request."""
    found = database_app.extensions["engine"]
    monkeypatch.setattr(engine, "ANSWER", 0.5)

    @database_app.get("/sleep")
    def sleep() -> str:
        session().execute(text("SELECT pg_sleep(100)"))
        return ""

    with found.connect() as connection:
        process = backend(connection)
    os.kill(process, signal.SIGSTOP)
    begin = time.monotonic()
    try:
        assert database_app.test_client().get("/topics").status_code == 200
        assert time.monotonic() - begin < 2
    finally:
        os.kill(process, signal.SIGCONT)
    assert database_app.test_client().get("/sleep").status_code == 503
    assert database_app.test_client().get("/topics").status_code == 200
    assert found.pool.checkedout() == 0
    assert time.monotonic() - begin < 4


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


@pytest.mark.parametrize(
    ("role", "database", "reason"),
    [
        ("nobody:hidden", "x", 'role "nobody" does not exist; create it'),
        ("test:hidden", "x", 'database "x" does not exist; create it'),
    ],
)
def test_a_role_or_database_that_is_missing_is_named(
    role: str,
    database: str,
    reason: str,
    new_database: New,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once it is created, the service recovers."""
    host = new_database(empty=True).partition("?")[2]
    url = f"postgresql+psycopg://{role}@/{database}?{host}"
    check_unusable(url, reason, caplog)


def test_a_server_that_is_not_there_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """With what to do."""
    check_unusable(URL, "start the server, or change the setting", caplog)


{% include cookiecutter.__parts ~ 'test_unusable.py' %}
