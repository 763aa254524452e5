"""The layout `object`: classes in `settings.py`, and a Python file for settings."""

from pathlib import Path

from flask import Config

HERE = Path(__file__).parent
ENDING = ".py"
TEXT = False  # a settings file holds values, not texts


def load_default() -> Config:
    """Return the defaults of every environment."""
    return load_class("Default")


def load_environment(name: str) -> dict[str, object]:
    """Return what the environment's class sets on top of the defaults."""
    default = load_default()
    settings = load_class(name.title())
    return {k: v for k, v in settings.items() if v is not default.get(k)}


def load_class(name: str) -> Config:
    """Return the upper-case attributes of a class in `settings.py`."""
    config = Config(HERE)
    config.from_object(f"{__package__}.settings.{name}")
    return config


def load_file(path: Path) -> Config:
    """Return the upper-case names that a file sets."""
    config = Config(HERE)
    config.from_pyfile(path)
    return config


def find_development_file() -> str | None:
    """Return None: development reads no file that is not named."""
    return None
