def problems() -> list[str]:
    """Return what is missing on this machine."""
    return []


def make(release: Path, hosts: State, step: Step) -> None:
    """Do nothing: the migration makes the file."""
    del release, hosts, step


def replace(release: Path, file: Path) -> None:
    """Replace the file of the database; the old one stays beside it."""
    say(tool(release, "load", source=file))


def leave(step: Step, *, purge: bool) -> None:
    """Make a last backup before the file is removed.

    Raises:
        DeployError: There is none.

    """
    release = release_at(own.current)
    if not purge or not any(own.data.glob("*.db")):
        return
    if not release:
        message = f"{own.data}: has a database; move it away, or remove it yourself"
        raise DeployError(message)
    place = BACKUPS / own.name
    step(f"back up the database to {place}, which stays", back_up, release)
