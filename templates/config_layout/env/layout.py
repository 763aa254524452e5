"""The layout `env`: variables, `.env` files, and the defaults in `defaults.py`."""

from pathlib import Path
from typing import Any

from dotenv import dotenv_values, find_dotenv
from dotenv.parser import parse_stream

from .defaults import DEFAULT, ENVIRONMENTS

PREFIX = "{{ cookiecutter.__prefix }}"
ENDING = ".env"
TEXT = True  # a settings file holds texts, as the environment does


def load_default() -> dict[str, Any]:
    """Return the defaults of every environment."""
    return DEFAULT


def load_environment(name: str) -> dict[str, Any]:
    """Return what the environment sets on top of the defaults."""
    return ENVIRONMENTS[name]


def load_file(path: Path) -> dict[str, str]:
    """Return what the lines set whose names have the prefix; others are not ours.

    `${NAME}` in a value is replaced, as the command `flask` does with the same file.

    Raises:
        ValueError: A line is not of the format.

    """
    with path.open(encoding="utf-8-sig") as file:
        for line in parse_stream(file):
            name = line.key or ""
            ours = name.startswith(PREFIX)
            where = f"line {line.original.line}"
            if line.error or (ours and line.value is None):
                message = f"{where}: must be of the form NAME=value"
                raise ValueError(message)
            if ours and not name.removeprefix(PREFIX).split("__")[0].isupper():
                message = f"{where}: {name} must be in capitals"
                raise ValueError(message)
    texts = dotenv_values(path, encoding="utf-8-sig")
    return {
        name.removeprefix(PREFIX): text
        for name, text in texts.items()
        if name.startswith(PREFIX) and text is not None
    }


def find_development_file() -> str | None:
    """Return the path of `.env`, here or above, where `flask` finds it, too."""
    return find_dotenv(usecwd=True) or None
