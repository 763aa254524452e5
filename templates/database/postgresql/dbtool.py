"""What the other files here do with the database, as the service and in its sandbox.

    python dbtool.py SETTINGS COMMAND

`state` prints what is known of the schema, `upgrade` migrates. `dump` writes a copy of
the database to standard output; `verify` and `load` read one from standard input.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import URL, inspect, make_url
from sqlalchemy.exc import DBAPIError

from {{ cookiecutter.__package }} import create_app, database
from {{ cookiecutter.__package }}.config import ConfigError

# The database and its extensions stay. Without COMMIT, nothing has happened.
EMPTY = b"BEGIN; SET client_min_messages = error; DROP OWNED BY CURRENT_USER CASCADE;"


class DumpError(Exception):
    """A dump cannot be made or used."""


def place_of(url: URL) -> dict[str, object]:
    """Return what `deploy/database.py` wants to know of the address."""
    local = not url.host and "host" not in url.query
    return {"local": local, "role": url.username, "database": url.database}


def program(name: str) -> str:
    """Return the newest program of a name: an older one refuses a newer server.

    Raises:
        DumpError: There is none.

    """
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    versions = {int(p.parts[4]): p for p in found if p.parts[4].isdecimal()}
    if not versions:
        message = f"{name}: is missing; apt-get install postgresql-client"
        raise DumpError(message)
    return str(versions[max(versions)])


def connect(app: Flask) -> tuple[str, dict[str, str]]:
    """Return the argument and the environment of a program that connects.

    A password is in the environment, which other users cannot see.
    """
    url = make_url(app.config["DATABASE_URL"])
    plain = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    )
    env = {**os.environ, "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "deploy"}
    if url.password:
        env["PGPASSWORD"] = str(url.password)
    return f"--dbname={plain.render_as_string()}", env


def call(*command: str, env: dict[str, str] | None = None) -> None:
    """Run a program with standard input and output.

    Raises:
        DumpError: It has failed; it has said why.

    """
    name = Path(command[0]).name
    if status := subprocess.run(command, check=False, env=env).returncode:
        message = f"{name} has failed with exit status {status}: see above"
        raise DumpError(message)


def dump(app: Flask) -> None:
    """Write a copy to standard output, while others read and write the database."""
    database_, env = connect(app)
    options = ("--format=custom", "--lock-wait-timeout=60s")
    call(program("pg_dump"), *options, database_, env=env)


def verify(_app: Flask) -> None:
    """Read all of a dump."""
    call(program("pg_restore"), "--file=/dev/null")


def load(app: Flask) -> None:
    """Replace what the database contains by a dump, or change nothing."""
    database_, env = connect(app)
    read = (program("pg_restore"), "--file=-", "--no-owner", "--no-privileges")
    write = (program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(read, stdout=pipe) as reader,
        subprocess.Popen((*write, database_), env=env, stdin=pipe) as writer,
        contextlib.suppress(BrokenPipeError),
    ):
        into: IO[bytes] = writer.stdin or io.BytesIO()
        into.write(EMPTY)
        shutil.copyfileobj(reader.stdout or io.BytesIO(), into)
        if reader.wait() == 0:
            into.write(b"COMMIT;\n")
        into.close()
    if reader.returncode or writer.returncode:
        message = "the dump could not be loaded: see above; nothing has changed"
        raise DumpError(message)


{% include cookiecutter.__parts ~ 'dbtool.py' %}
