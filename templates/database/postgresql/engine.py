"""PostgreSQL: how it is connected to, and which of its errors pass."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from flask import Flask
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

# Seconds. A load balancer waits 3 for `/readyz`: for a ping and a new connection.
PING = 0.7
CONNECT = 2
# All below the 30 that nginx waits for a response. The server keeps the first two.
# ANSWER is for a server that is frozen, or a network that is cut.
LOCK = 5
STATEMENT = 20
ANSWER = 22
# Seconds between two attempts to connect.
PAUSE = 0.1
# What tells that the server answers.
PROBE = "SELECT 1"
# What to do about an error.
ADVICE = {
    "does not exist": "create it (deploy/README.md, Database), or change the setting",
    "authentication failed": "change user or password in the setting",
    "no password": "add the password to the setting",
    "no error details": "open the sandbox for the network (deploy/README.md)",
    "resolve host": "correct the host in the setting",
    "invalid connection option": "correct the setting",
    "connection slots": "raise max_connections of the server, or run fewer processes",
}
START = "start the server, or change the setting"
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
    event.listen(engine, "checkin", limit_ping)
    event.listen(engine, "checkout", limit_statements)
    return engine


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is closed if the server does not answer in time."""

    limit: float | None = ANSWER

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Wait for the server, at most as long as `limit`."""
        try:
            return super().wait(gen, interval, timeout or self.limit)
        except psycopg.OperationalError:
            if timeout or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            message = f"the server has not answered in {self.limit} seconds"
            raise psycopg.OperationalError(message) from None


def limit_ping(connection: ImpatientConnection | None, _record: object) -> None:
    """Prepare a connection for the ping, which is the next that the pool does."""
    if connection is not None:
        connection.limit = PING


def limit_statements(
    connection: ImpatientConnection, _record: object, _proxy: object
) -> None:
    """Prepare a connection for a request."""
    connection.limit = ANSWER


class Connector:
    """Connects, and waits a moment for a server that restarts.

    Once the server has been away for longer, one thread at a time tries, once, and all
    others soon fail: they would be missing for requests that need no database.
    """

    def __init__(self) -> None:
        """Begin with a server that has not failed yet."""
        self.failing_since: float | None = None
        self.trying = threading.Lock()

    def is_away(self) -> bool:
        """Return whether the server has been away for long."""
        since = self.failing_since
        return since is not None and time.monotonic() - since >= CONNECT

    def connect(
        self,
        _dialect: Dialect,
        _record: object,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> ImpatientConnection:
        """Return a connection of the driver."""
        if self.is_away():
            # The first requests after an outage wait for the one that tries.
            if not self.trying.acquire(timeout=PAUSE):
                message = "the server does not answer"
                raise psycopg.OperationalError(message)
            try:
                if self.is_away():
                    return self.attempt(arguments, options)
            finally:
                self.trying.release()
        return self.attempt(arguments, options)

    def attempt(
        self, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> ImpatientConnection:
        """Try to connect until the server is away."""
        began = time.monotonic()
        while True:
            try:
                connection = ImpatientConnection.connect(*arguments, **options)
            except psycopg.OperationalError:
                self.failing_since = self.failing_since or began
                if self.is_away():
                    raise
                time.sleep(PAUSE)
            else:
                self.failing_since = None
                return connection


def advice(reason: str) -> str:
    """Return what to do about a database that cannot be used."""
    return next((ADVICE[part] for part in ADVICE if part in reason), START)


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
        driver: Any = connection.connection.dbapi_connection
        driver.limit = None
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
