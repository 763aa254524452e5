def print_state(app: Flask) -> None:
    """Print the revisions of the database and of this release, as JSON."""
    package = Path(str(database.__file__)).parent
    script = ScriptDirectory(str(package / "migrations"))
    with app.app_context():
        database.check()
    with app.extensions["engine"].connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
        tables = inspect(connection).get_table_names()
    known = {revision.revision for revision in script.walk_revisions()}
    state = {
        "current": sorted(current),
        "heads": sorted(script.get_heads()),
        "unknown": sorted({*current} - known),
        "empty": not tables,
    }
    print(json.dumps(state))


def print_address(app: Flask) -> None:
    """Print where the database is, without a password."""
    url = make_url(app.config["DATABASE_URL"])
    print(json.dumps({"address": str(url), **place_of(url)}))


def upgrade(app: Flask) -> None:
    """Migrate to the newest schema."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # a failure is shown
    with app.app_context():
        database.alembic("upgrade", "head")


COMMANDS: dict[str, Callable[[Flask], None]] = {
    "address": print_address,
    "state": print_state,
    "upgrade": upgrade,
    "dump": dump,
    "verify": verify,
    "load": load,
}


FAILURES = (
    *(CommandError, ConfigError, DBAPIError, DumpError, OSError),
    database.UnusableError,
)


def main(settings: str, command: str) -> None:
    """Run a command; exit with a line that says what has failed."""
    try:
        with redirect_stdout(sys.stderr):  # where libraries may print
            app = create_app(settings)
        COMMANDS[command](app)
    except FAILURES as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        shown = [line for line in lines if not line.startswith("(Background on")]
        sys.exit("\n".join(shown) or type(error).__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
