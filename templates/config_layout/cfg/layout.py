"""The layout `cfg`: Python-syntax files, one for each environment."""

from pathlib import Path

from flask import Config

HERE = Path(__file__).parent
ENDING = ".cfg"
TEXT = False  # a settings file holds values, not texts


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


def find_development_file() -> str | None:
    """Return None: development reads no file that is not named."""
    return None
