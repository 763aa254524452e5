"""PostgreSQL: how it is connected to, and which of its errors pass."""

import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

# Seconds, all below the 30 that nginx waits for a response.
CONNECT = 3
LOCK = 5
STATEMENT = 20
# Seconds between two attempts to connect.
PAUSE = 0.1
# Of all who migrate this database: any number, always the same.
MIGRATION_LOCK = 7031
# How often a migration is tried that finds a table in use, and for how many seconds.
# Requests wait as long, and give up after LOCK.
TRIES = 20
SHORTEST, LONGEST = 0.2, 3.2
LOCK_NOT_AVAILABLE = "55P03"


def make_engine(app: Flask) -> Engine:
    """Return the engine, which connects when it is first used."""
    options = (
        f"-c statement_timeout={STATEMENT}s -c lock_timeout={LOCK}s "
        f"-c idle_in_transaction_session_timeout={STATEMENT}s"
    )
    engine = create_engine(
        app.config["DATABASE_URL"],
        connect_args={"connect_timeout": CONNECT, "options": options},
        hide_parameters=True,
        max_overflow=0,
        pool_pre_ping=True,
        pool_size=app.config["THREADS"],  # no request waits for a connection
        pool_timeout=CONNECT,
    )
    event.listen(engine, "do_connect", Connector().connect)
    return engine


class Connector:
    """Connects, and waits a moment for a server that restarts.

    Once the server has been away for longer, each attempt fails at once: requests that
    wait would take the threads of those that need no database.
    """

    def __init__(self) -> None:
        """Begin with a server that has not failed yet."""
        self.failing_since: float | None = None

    def connect(
        self,
        dialect: Dialect,
        _record: object,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> object:
        """Return a connection of the driver."""
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError:
                now = time.monotonic()
                self.failing_since = self.failing_since or now
                if now - self.failing_since >= CONNECT:
                    raise
                time.sleep(PAUSE)
            else:
                self.failing_since = None
                return connection


def state_of(error: DBAPIError) -> str:
    """Return SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
    return getattr(error.orig, "sqlstate", None) or ""


def passes(error: DBAPIError) -> bool:
    """Return whether the same may succeed later.

    No connection, a deadlock or a conflict, a lack of resources, a time-out.
    """
    if state := state_of(error):
        return state[:2] in {"08", "40", "53", "57"} or state == LOCK_NOT_AVAILABLE
    return error.connection_invalidated or isinstance(error, OperationalError)


def is_missing_table(error: DBAPIError) -> bool:
    """Return whether a table does not exist."""
    return state_of(error) == "42P01"


def is_misplaced_write(_error: DBAPIError) -> bool:
    """Return False: PostgreSQL needs not know beforehand what will write."""
    return False


def migrate(engine: Engine, run: Callable[[Connection], None]) -> None:
    """Run migrations, one process at a time, without making requests wait for long.

    Requests queue behind a migration that waits for a table. So it waits a moment only,
    and is tried again, and longer.

    Args:
        engine: The engine of the application.
        run: Runs the migrations, and commits.

    """
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = 0"))
        lock = text("SELECT pg_advisory_lock(:lock)")
        connection.execute(lock, {"lock": MIGRATION_LOCK})
        connection.commit()
        try:
            run_patiently(connection, run)
        finally:
            connection.invalidate()  # ends the lock and the settings


def run_patiently(connection: Connection, run: Callable[[Connection], None]) -> None:
    """Run migrations again while a table that they change is in use."""
    for number in range(TRIES):
        wait = min(SHORTEST * 2**number, LONGEST)
        connection.execute(text(f"SET lock_timeout = '{wait}s'"))
        connection.commit()
        try:
            run(connection)
        except OperationalError as error:
            connection.rollback()
            if state_of(error) != LOCK_NOT_AVAILABLE or number == TRIES - 1:
                raise
            time.sleep(1)
        else:
            return
