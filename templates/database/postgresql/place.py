def problems() -> list[str]:
    """Return what is missing on this machine."""
    if any(Path("/usr/lib/postgresql").glob("*/bin/pg_dump")):
        return []
    return ["pg_dump: is missing; apt-get install postgresql-client"]


def make(release: Path, hosts: State, step: Step) -> None:
    """Make role and database on a server of this machine."""
    text = f"make the role and the database of {own.name}, where they are missing"
    step(text, create, release, hosts)


def create(release: Path, hosts: State) -> None:
    """Make them, unless the URL is of another server or of another role.

    Raises:
        DeployError: There is no server on this machine.

    """
    place = ask(release, "address", hosts)
    name = place["database"] or own.name
    if not place["local"] or place["role"] not in {None, own.name}:
        return
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        message = (
            "PostgreSQL: is not on this machine; apt-get install postgresql, or set "
            f"DATABASE_URL in {settings_file(release / 'deploy')}"
        )
        raise DeployError(message) from None
    if own.name not in as_postgres("psql", *QUERY, ROLES):
        say(f"==> make the role {own.name}")
        as_postgres("createuser", own.name)
    if name not in as_postgres("psql", *QUERY, DATABASES):
        say(f"==> make the database {name}")
        as_postgres("createdb", *NEW, f"--owner={own.name}", name)


QUERY = ("--no-psqlrc", "--tuples-only", "--no-align", "--command")
ROLES = "SELECT rolname FROM pg_roles"
DATABASES = "SELECT datname FROM pg_database"
# Sorted by code points, and so the same on each machine.
NEW = ("--encoding=UTF8", "--locale=C.UTF-8", "--template=template0")


def as_postgres(*command: str) -> list[str]:
    """Run a program as the superuser of the server; return the lines that it prints."""
    return run("runuser", "-u", "postgres", "--", *command).stdout.splitlines()


MANY = 1000  # none is removed, as it may be the one to restore


def replace(release: Path, file: Path) -> None:
    """Replace the content of the database, after a backup of it."""
    back_up(release, keep=MANY)
    tool(release, "load", source=file)


def leave(step: Step, *, purge: bool) -> None:
    """Say how to remove the database, which stays."""
    del step, purge
    say("==> keep the database; to remove a local one:")
    say(f"sudo -u postgres dropdb {own.name}")
    say(f"sudo -u postgres dropuser {own.name}")
