"""The layout `object`: classes in `settings.py`, and a Python file for settings."""

from pathlib import Path
from typing import Any

from . import settings

ENDING = ".py"
TEXT = False  # a settings file holds values, not texts


def load_default() -> dict[str, Any]:
    """Return the defaults of every environment."""
    return load_class("Default")


def load_environment(name: str) -> dict[str, object]:
    """Return what the environment's class sets on top of the defaults."""
    default = load_default()
    changed = load_class(name.title())
    return {k: v for k, v in changed.items() if v is not default.get(k)}


def load_class(name: str) -> dict[str, Any]:
    """Return the upper-case attributes of a class in `settings.py`."""
    chosen = getattr(settings, name)
    return {key: getattr(chosen, key) for key in dir(chosen) if key.isupper()}


def load_file(path: Path) -> dict[str, Any]:
    """Return the upper-case names that a file sets, as `Config.from_pyfile` does."""
    names: dict[str, Any] = {"__name__": "config", "__file__": str(path)}
    exec(compile(path.read_bytes(), path, "exec"), names)  # noqa: S102 - settings are code
    return {name: value for name, value in names.items() if name.isupper()}


def find_development_file() -> str | None:
    """Return None: development reads no file that is not named."""
    return None
