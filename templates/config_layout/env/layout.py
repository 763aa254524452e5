"""The layout `env`: variables, `.env` files, and the defaults in `defaults.py`."""

import json
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream

from . import defaults

PREFIX = "{{ cookiecutter.__prefix }}"
ENDING = ".env"
DEVELOPMENT_FILE: str | None = ".env"  # read there, if nothing else is named


def load_default() -> dict[str, Any]:
    """Return the defaults of every environment."""
    return defaults.DEFAULT


def load_environment(name: str) -> dict[str, Any]:
    """Return what the environment sets on top of the defaults."""
    return defaults.ENVIRONMENTS[name]


def load_file(path: Path) -> dict[str, Any]:
    """Return what the lines set whose names have the prefix; others are not ours.

    Raises:
        ValueError: A line is none of the format.

    """
    with path.open(encoding="utf-8-sig") as file:
        lines = list(parse_stream(file))
    return dict(setting(line) for line in lines if concerns(line))


def concerns(line: Binding) -> bool:
    """Tell whether a line is for this service, or is a mistake."""
    return line.error or (line.key or "").startswith(PREFIX)


def setting(line: Binding) -> tuple[str, Any]:
    """Return the name and the value of a line: JSON, or else the text itself."""
    if line.error or line.key is None or line.value is None:
        message = f"line {line.original.line}: not of the form NAME=value"
        raise ValueError(message)
    try:
        value = json.loads(line.value)
    except ValueError:
        value = line.value
    name = line.key.removeprefix(PREFIX)
    if not name.split("__")[0].isupper():
        message = f"line {line.original.line}: {line.key} is not in capitals"
        raise ValueError(message)
    return name, value
