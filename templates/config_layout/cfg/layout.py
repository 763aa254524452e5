"""The layout `cfg`: Python-syntax files, one for each environment."""

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENDING = ".cfg"
TEXT = False  # a settings file holds values, not texts


def load_default() -> dict[str, Any]:
    """Return the defaults of every environment."""
    return load_file(HERE / "default.cfg")


def load_environment(name: str) -> dict[str, Any]:
    """Return what the environment sets on top of the defaults."""
    return load_file(HERE / f"{name}.cfg")


def load_file(path: Path) -> dict[str, Any]:
    """Return the upper-case names that a file sets, as `Config.from_pyfile` does."""
    names: dict[str, Any] = {"__name__": "config", "__file__": str(path)}
    exec(compile(path.read_bytes(), path, "exec"), names)  # noqa: S102 - settings are code
    return {name: value for name, value in names.items() if name.isupper()}


def find_development_file() -> str | None:
    """Return None: development reads no file that is not named."""
    return None
