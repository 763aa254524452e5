"""A PostgreSQL server for tests and development: it stops and forgets at the end.

`python tests/throwaway.py COMMAND...` runs a command with a migrated database.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text

VARIABLE = "{{ cookiecutter.__prefix }}DATABASE_URL"
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/*/bin")
# Nothing has to survive.
OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off"


class New(Protocol):
    """Makes a database, and returns its URL."""

    def __call__(self, *, empty: bool = False) -> str:
        """Return the URL of an empty database, or of a migrated one."""


def programs() -> Path:
    """Return the directory of the server's programs."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    found_all = [
        path for place in PLACES for path in Path("/").glob(f"{place[1:]}/initdb")
    ]
    if not found_all:
        sys.exit("PostgreSQL is not installed; on Debian: apt install postgresql")
    return max(found_all).parent


def account() -> str | None:
    """Return the user to run the server as, which refuses to run as root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def server() -> Iterator[str]:
    """Run a server with a socket of its own; yield the URL of its database `{}`."""
    found, user = programs(), account()
    # Not in the temporary directory of a test: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        if user is not None:
            shutil.chown(name, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(found / program), "--pgdata", f"{name}/data", *arguments]
            with Path(name, "output").open("ab") as output:
                subprocess.run(
                    command,
                    check=True,
                    cwd=name,
                    stderr=output,
                    stdout=output,
                    timeout=60,
                    user=user,
                )

        run("initdb", "--auth=trust", "--username=test", "--no-sync", "--encoding=UTF8")
        options = f"{OPTIONS} -c unix_socket_directories={name}"
        run("pg_ctl", "--wait", "--log", f"{name}/log", "--options", options, "start")
        try:
            yield "postgresql+psycopg://test@/{}?host=" + name
        finally:
            run("pg_ctl", "--mode=immediate", "--wait", "stop")


def create(url: str, name: str, template: str) -> str:
    """Create a database, and return its URL."""
    engine = create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return url.format(name)


@contextmanager
def databases(_directory: Path, migrate: Callable[[str], None]) -> Iterator[New]:
    """Yield a function that makes a database and returns its URL.

    Args:
        migrate: Migrates the database of a URL; the others are copies of it.

    """
    numbers = itertools.count()
    with server() as url:
        migrate(create(url, "migrated", "template0"))

        def new(*, empty: bool = False) -> str:
            template = "template0" if empty else "migrated"
            return create(url, f"test_{next(numbers)}", template)

        yield new


def main() -> None:
    """Run a command with a migrated database."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with server() as url:
        name = "{{ cookiecutter.__package }}"
        env = os.environ | {VARIABLE: create(url, name, "template0")}
        env.setdefault("{{ cookiecutter.__prefix }}ENV", "development")
        flask = [sys.executable, "-m", "flask", "--app", name]
        subprocess.run([*flask, "db", "upgrade", "head"], check=True, env=env)
        with subprocess.Popen(sys.argv[1:], env=env) as process:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                status = process.wait()  # the terminal has told it, too
            finally:
                process.terminate()
    sys.exit(status)


if __name__ == "__main__":
    main()
