"""A PostgreSQL server for tests and development: it stops and forgets at the end.

`python tests/throwaway.py COMMAND...` runs a command with a migrated database.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

# Makes a database, migrated or `empty=True`, and returns its URL.
New = Callable[..., str]
VARIABLE = "{{ cookiecutter.__prefix }}DATABASE_URL"
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/*/bin")
# Nothing has to survive.
OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off"
# Starts the server, and stops it when standard input is closed: a pipe, which ends with
# the process at its other end, however that ends. Prints what has failed.
KEEPER = """
trap '"$1/pg_ctl" --pgdata=data --mode=immediate --wait stop; rm -rf "$0"' EXIT
trap exit HUP INT TERM
{
    "$1/initdb" --pgdata=data --auth=trust --encoding=UTF8 --no-sync \\
        --username=postgres &&
        "$1/pg_ctl" --pgdata=data --log=log --wait start \\
            --options="$2 -c unix_socket_directories=$0" &&
        "$1/createuser" --host="$0" --username=postgres test
} >output 2>&1 || cat output log
exec >/dev/null 2>&1
read -r _
"""


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
def server() -> Generator[str]:
    """Run a server with a socket of its own; yield the URL of a role and a database."""
    # Not in the temporary directory of a test: the path of a socket must be short.
    directory, user = tempfile.mkdtemp(prefix="pg-", dir="/tmp"), account()
    if user is not None:
        shutil.chown(directory, user)
    with subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, directory, programs(), OPTIONS],
        cwd=directory,
        start_new_session=True,  # Ctrl-C in the terminal is for this process
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=user,
    ) as keeper:
        if keeper.stdin is not None:  # `main` becomes another program, which keeps it
            os.set_inheritable(keeper.stdin.fileno(), True)  # noqa: FBT003
        output = keeper.stdout.read() if keeper.stdout is not None else ""
        if output:
            sys.exit(f"PostgreSQL does not start:\n{output}")
        yield "postgresql+psycopg://{}@/{}?host=" + directory


def create(url: str, name: str, template: str) -> str:
    """Create a database of a role that is no superuser, and return its URL."""
    admin = url.format("postgres", "postgres")
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        options = f"OWNER test TEMPLATE {template}"
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    engine.dispose()
    return url.format("test", name)


@contextmanager
def databases(_directory: Path, migrate: Callable[[str], None]) -> Generator[New]:
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
    """Become a command that has a migrated database until it ends."""
    with server() as url:
        name = "{{ cookiecutter.__package }}"
        env = os.environ | {VARIABLE: create(url, name, "template0")}
        env.setdefault("{{ cookiecutter.__prefix }}ENV", "development")
        flask = [sys.executable, "-m", "flask", "--app", name]
        subprocess.run([*flask, "db", "upgrade", "head"], check=True, env=env)
        os.execvpe(sys.argv[1], sys.argv[1:], env)  # noqa: S606 - a command of the user


if __name__ == "__main__":
    main()
