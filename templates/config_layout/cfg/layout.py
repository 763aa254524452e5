"""The layout `cfg`: Python-syntax files, one for each environment."""

from pathlib import Path

from flask import Config

HERE = Path(__file__).parent
ENDING = ".cfg"
DEVELOPMENT_FILE: str | None = None  # only the layout `env` knows one


def load_default() -> Config:
    """Return the defaults of every environment."""
    return load_file(HERE / "default.cfg")


def load_environment(name: str) -> Config:
    """Return what the environment sets on top of the defaults."""
    return load_file(HERE / f"{name}.cfg")


def load_file(path: Path) -> Config:
    """Return the upper-case names that a file sets."""
    config = Config(HERE)
    config.from_pyfile(path)
    return config
