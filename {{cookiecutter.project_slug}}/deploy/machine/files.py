"""Files that change in one instant, and can be put back."""

import contextlib
from pathlib import Path

from .names import AVAILABLE, own

State = dict[str, str] | None  # of a path: absent, a link or a file


def look(path: Path) -> State:
    """Return the state of a path."""
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if path.exists():
        return {"text": path.read_bytes().decode("utf-8", "surrogateescape")}
    return None


def put(path: Path, state: State) -> bool:
    """Give a path a state, in one instant; return whether that has changed it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of a run that was killed here
    if look(path) == state:
        return False
    if state is None:
        path.unlink()
        return True
    if "link" in state:
        new.symlink_to(state["link"])
    else:
        new.write_bytes(state["text"].encode("utf-8", "surrogateescape"))
        new.chmod(0o755 if state["text"].startswith("#!") else 0o644)
    new.replace(path)
    return True


def remove_empty(directory: Path) -> None:
    """Remove a directory if nothing is in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def read(path: Path) -> str:
    """Return what a file says; nothing if there is none."""
    return path.read_text().strip() if path.exists() else ""


def contains_our_paths(path: Path) -> bool:
    """Return whether a unit or a site is this service's."""
    with contextlib.suppress(OSError):
        text = path.read_text(errors="replace")
        return any(marked in text for marked in own.paths)
    return path.is_symlink() and path.readlink() == AVAILABLE / path.name
