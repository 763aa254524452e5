"""The layout `toml`: one `settings.toml` with a table for each environment."""

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENDING = ".toml"
TEXT = False  # a settings file holds values, not texts


def load_default() -> dict[str, Any]:
    """Return the defaults of every environment."""
    return load_environment("default")


def load_environment(name: str) -> dict[str, Any]:
    """Return what the environment's table sets on top of the defaults."""
    with (HERE / "settings.toml").open("rb") as file:
        table = tomllib.load(file)[name]
    return {key: value for key, value in table.items() if key.isupper()}


def load_file(path: Path) -> dict[str, Any]:
    """Return the keys that a file sets, outside of any table.

    Raises:
        ValueError: A key is not in capitals, and Flask would pass it over.

    """
    settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    for key in settings:
        if not key.isupper():
            message = f"{key!r}: names must be in capitals, outside of any [table]"
            raise ValueError(message)
    return settings


def find_development_file() -> str | None:
    """Return None: development reads no file that is not named."""
    return None
