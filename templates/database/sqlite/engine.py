"""SQLite: how it is connected to, and which of its errors pass."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import Flask, has_request_context, request
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from .config import ConfigError

# Seconds to wait for a lock, below the 30 that nginx waits for a response.
LOCK = 5
# Seconds that a migration waits for it.
PATIENCE = 30
# What tells that the database can be read.
PROBE = "SELECT count(*) FROM sqlite_master"
# What to do about an error.
ADVICE = {
    "disk is full": "free space",
    "not a database": "restore a backup (deploy/restore), or change the setting",
    "malformed": "restore a backup (deploy/restore)",
}
WRITABLE = "let the service's user write to the file and to its directory"
# What may not write needs no lock of the database.
READING = frozenset(("GET", "HEAD", "OPTIONS"))


def make_engine(app: Flask) -> Engine:
    """Return the engine, which connects when it is first used.

    Raises:
        ConfigError: The directory of the file does not exist.

    """
    url = make_url(app.config["DATABASE_URL"])
    if url.database in {None, "", ":memory:"}:
        return prepare(create_engine(url, hide_parameters=True))
    instance = Path(app.instance_path)
    path = instance / str(url.database)  # an absolute path replaces the first
    if path.parent != instance and not path.parent.is_dir():
        layer = app.extensions["config_layers"]["DATABASE_URL"]
        message = (
            f"DATABASE_URL ({layer}): there is no directory {path.parent}; "
            "create it, or change the setting"
        )
        raise ConfigError(message)
    engine = create_engine(
        url.set(database=str(path)),
        connect_args={"timeout": LOCK},
        hide_parameters=True,
        max_overflow=0,
        pool_size=app.config["THREADS"],  # no request waits for a connection
    )

    @event.listens_for(engine, "do_connect")
    def make_directory(*_: object) -> None:
        if path.parent == instance:
            instance.mkdir(parents=True, exist_ok=True)

    return prepare(engine)


def prepare(engine: Engine) -> Engine:
    """Have SQLite keep foreign keys, and begin transactions as they are meant."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        # SQLite would read from a file that it cannot write to, and fail later.
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path and not os.access(path, os.W_OK):
            connection.close()
            message = "attempt to write a readonly database"
            raise sqlite3.OperationalError(message)
        # SQLAlchemy begins transactions: the driver would do so only at the first
        # write, and what was read before it could have changed since.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = has_request_context() and request.method in READING
        # By the driver, in a fifth of the time: these two neither wait nor fail.
        driver: Any = connection.connection.dbapi_connection
        driver.execute(f"PRAGMA query_only = {'ON' if reads else 'OFF'}")
        if reads:
            driver.execute("BEGIN")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def advice(reason: str) -> str:
    """Return what to do about a database that cannot be used."""
    return next((ADVICE[part] for part in ADVICE if part in reason), WRITABLE)


def code_of(error: DBAPIError) -> int:
    """Return the primary result code of SQLite: https://sqlite.org/rescode.html."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF


def passes(error: DBAPIError) -> bool:
    """Return whether the same may succeed later: another connection has the lock."""
    return code_of(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_missing_table(error: DBAPIError) -> bool:
    """Return whether a table does not exist."""
    return isinstance(error, OperationalError) and "no such table" in str(error.orig)


def is_misplaced_write(error: DBAPIError) -> bool:
    """Return whether a request wrote that must only read."""
    reads = has_request_context() and request.method in READING
    return reads and code_of(error) == sqlite3.SQLITE_READONLY


def migrate(engine: Engine, run: Callable[[Connection], None]) -> None:
    """Run migrations with foreign keys off.

    To change a table, Alembic copies and drops it, and with foreign keys on, the rows
    that refer to it would be deleted. In a transaction they cannot be switched off.

    Args:
        engine: The engine of the application.
        run: Runs the migrations, and commits.

    """

    @event.listens_for(engine, "commit")
    def check(connection: Connection) -> None:
        rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if rows:
            table, row, parent, _ = rows[0]
            message = f"{table}: row {row} refers to a row that {parent} does not have"
            raise click.ClickException(message)

    try:
        with engine.connect() as connection:
            driver = connection.connection
            driver.cursor().execute("PRAGMA foreign_keys = OFF").close()
            driver.cursor().execute(f"PRAGMA busy_timeout = {PATIENCE}000").close()
            try:
                run(connection)
            finally:
                driver.rollback()
                driver.cursor().execute("PRAGMA foreign_keys = ON").close()
                driver.cursor().execute(f"PRAGMA busy_timeout = {LOCK}000").close()
    finally:
        event.remove(engine, "commit", check)
