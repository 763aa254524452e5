"""Fill `app.config` from its layers, the later one wins.

The packaged defaults, the named environment, the settings file, the environment
variables, the mapping given to `create_app`. README.md shows them in a table.
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

import click
from flask import Flask

from . import layout
from .checks import problems

PREFIX = "{{ cookiecutter.__package | upper }}"
ENVIRONMENTS = ("development", "testing", "production")

Source = str | os.PathLike[str] | Mapping[str, Any] | None


class ConfigError(click.ClickException):
    """The settings cannot be used; the message says why in one line.

    A ClickException, so that `flask` prints that line instead of a traceback.
    """

    exit_code = 2


def load_config(app: Flask, source: Source = None) -> None:
    """Fill `app.config`, and note the layer that each setting came from.

    Args:
        app: The application; its config holds nothing but Flask's own defaults.
        source: What `create_app` was given. The settings ENV (an environment's
            name) and CFG (a settings file's path) choose layers: a name stands for
            ENV, a path for CFG, a mapping may hold both. Whatever is not given here
            is taken from the variables of these names, with the prefix.

    Raises:
        ConfigError: A name, a file or a value cannot be used.

    """
    given = as_mapping(source)
    environment = choose_environment(given)
    path = choose_file(given, environment)
    layers = app.extensions["config_layers"] = dict.fromkeys(app.config, "Flask")

    def add(layer: str, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            set_item(app.config, name, value)
            layers[name.split("__")[0]] = layer

    # Copied, because a later layer may set an item inside of a packaged value.
    add("default", copy.deepcopy(layout.load_default()))
    add(environment, copy.deepcopy(layout.load_environment(environment)))
    if path is not None:
        add(f"file {path}", load_file(path))
    layers.update(load_variables(app))
    add("create_app", given)
    app.config.update(ENV=environment, CFG=path and str(path))
    layers.setdefault("ENV", "default")
    layers.setdefault("CFG", "default")
    found = [
        f"{name}: {value!r} ({layers[name]}) {problem}"
        for name, value, problem in problems(app.config)
    ]
    if found:
        raise ConfigError("; ".join(found))


def as_mapping(source: Source) -> dict[str, Any]:
    """Return the settings that the argument of `create_app` stands for."""
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return dict(source)
    if source in ENVIRONMENTS:
        return {"ENV": source}
    if isinstance(source, str) and not (source and Path(source).exists()):
        names = ", ".join(ENVIRONMENTS)
        message = (
            f"{source!r} is neither an environment ({names}) "
            f"nor a settings file (there is no {Path(source).absolute()})"
        )
        raise ConfigError(message)
    return {"CFG": os.fspath(source)}


def choose_environment(given: Mapping[str, Any]) -> str:
    """Return the name of the environment; TESTING in a mapping asks for `testing`."""
    variable = f"{PREFIX}_ENV"
    environment: str
    if environment := given.get("ENV", ""):
        variable = "ENV"
    elif given.get("TESTING"):
        environment = "testing"
    else:
        environment = os.environ.get(variable) or "production"
    if environment not in ENVIRONMENTS:
        names = ", ".join(ENVIRONMENTS)
        message = f"{variable}: {environment!r} is no environment; use one of {names}"
        raise ConfigError(message)
    return environment


def choose_file(given: Mapping[str, Any], environment: str) -> Path | None:
    """Return the path of the settings file, if there is one."""
    path = os.environ.get(f"{PREFIX}_CFG") or None
    if "CFG" in given:
        path = given["CFG"]
    elif path is None and environment == "development":
        local = layout.DEVELOPMENT_FILE
        path = local if local and Path(local).exists() else None
    return None if path is None else Path(path).absolute()


def load_file(path: Path) -> Mapping[str, Any]:
    """Return what a settings file sets, all of it or nothing."""
    if path.exists() and not path.is_file():
        message = f"{path}: not a regular file"
        raise ConfigError(message)
    if not path.name.endswith(layout.ENDING):
        message = f"{path}: not a settings file: its name must end in {layout.ENDING}"
        raise ConfigError(message)
    try:
        settings = layout.load_file(path)
    except OSError as error:
        message = f"{path}: {os.strerror(error.errno or 0)}"
        raise ConfigError(message) from error
    except (Exception, SystemExit) as error:
        message = f"{path}{line_of(error, path)}: {problem_of(error)}"
        raise ConfigError(message) from error
    for name in ("ENV", "CFG"):
        if name in settings:
            message = f"{path}: {name} chooses layers, and cannot be set in one of them"
            raise ConfigError(message)
    return settings


def line_of(error: BaseException, path: Path) -> str:
    """Return ", line N", if the error tells where in the file it arose."""
    if isinstance(error, SyntaxError):
        line = error.lineno
    else:
        frames = [f for f in extract_tb(error.__traceback__) if f.filename == str(path)]
        line = frames[-1].lineno if frames else None
    return f", line {line}" if line else ""


def problem_of(error: BaseException) -> str:
    """Return what is wrong, in one line."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}"


def set_item(config: dict[str, Any], name: str, value: object) -> None:
    """Set `NAME`, or with `NAME__ITEM` an item of a setting that is a table."""
    *tables, last = name.split("__")
    for table in tables:
        inner: object = config.setdefault(table, {})
        if not isinstance(inner, dict):
            message = f"{name}: {table} is a setting, but not a table"
            raise ConfigError(message)
        config = inner
    config[last] = value


def load_variables(app: Flask) -> dict[str, str]:
    """Set what the variables with the prefix say; return the layer of each setting."""
    prefix = f"{PREFIX}_"
    names = sorted(name for name in os.environ if name.startswith(prefix))
    try:
        app.config.from_prefixed_env(PREFIX)
    except TypeError as error:
        nested = ", ".join(name for name in names if "__" in name)
        message = f"{nested}: what stands before '__' is a setting, but not a table"
        raise ConfigError(message) from error
    return {
        name.removeprefix(prefix).split("__")[0]: f"variable {name}" for name in names
    }
