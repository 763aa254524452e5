"""What the other files here do with the database, as the service and in its sandbox.

    python dbtool.py SETTINGS COMMAND

`state` prints what is known of the schema, `upgrade` migrates. `dump` writes a copy of
the database to standard output; `verify` and `load` read one from standard input.
"""

import contextlib
import json
import logging
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Generator
from contextlib import redirect_stdout
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import URL, inspect, make_url
from sqlalchemy.exc import DBAPIError

from {{ cookiecutter.__package }} import create_app, database
from {{ cookiecutter.__package }}.config import ConfigError


class DumpError(Exception):
    """A dump cannot be used."""


def place_of(_url: URL) -> dict[str, object]:
    """Return what `deploy/database.py` wants to know of the address."""
    return {}


def path_of(app: Flask) -> Path:
    """Return the file of the database."""
    return Path(app.extensions["engine"].url.database)


@contextlib.contextmanager
def scratch(app: Flask) -> Generator[Path]:
    """Yield a path beside the database, and remove the file at the end."""
    path = path_of(app).with_name(".dump")
    path.unlink(missing_ok=True)  # of a run that was killed
    try:
        yield path
    finally:
        for suffix in ("", "-journal", "-shm", "-wal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def check(path: Path) -> None:
    """Open a file, and read all of it.

    Raises:
        DumpError: It is damaged, or no database.

    """
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        message = f"the file is damaged, or no SQLite database: {error}"
        raise DumpError(message) from error
    if found != [("ok",)]:
        message = f"the file is damaged: {found[0][0]}"
        raise DumpError(message)
    if orphans:
        message = f"a row of {orphans[0][0]} refers to none of {orphans[0][2]}"
        raise DumpError(message)
    if not tables[0]:
        message = "the file has no tables"
        raise DumpError(message)


def dump(app: Flask) -> None:
    """Write a copy to standard output, while others read and write the database."""
    with scratch(app) as copy:
        source = sqlite3.connect(f"{path_of(app).as_uri()}?mode=rw", uri=True)
        target = sqlite3.connect(copy)
        with contextlib.closing(source), contextlib.closing(target):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file
        check(copy)
        with copy.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def receive(path: Path) -> None:
    """Read a dump from standard input into a file, and check it."""
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    check(path)


def verify(app: Flask) -> None:
    """Check a dump."""
    path_of(app).parent.mkdir(exist_ok=True)
    with scratch(app) as copy:
        receive(copy)


def load(app: Flask) -> None:
    """Replace the database by a dump; the old one stays beside it.

    No other process may use the database meanwhile.
    """
    path = path_of(app)
    with scratch(app) as copy:
        receive(copy)
        if path.exists():
            with (
                contextlib.suppress(sqlite3.Error),  # it may be damaged
                contextlib.closing(sqlite3.connect(path)) as old,
            ):
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept = path.with_name(f"{path.name}.replaced-{time.time_ns() // 10**9}")
            wal = path.with_name(f"{path.name}-wal")
            if wal.exists():
                wal.rename(kept.with_name(f"{kept.name}-wal"))
            kept.hardlink_to(path)
            print(f"the database that was replaced: {kept}")
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        copy.replace(path)


{% include cookiecutter.__parts ~ 'dbtool.py' %}
