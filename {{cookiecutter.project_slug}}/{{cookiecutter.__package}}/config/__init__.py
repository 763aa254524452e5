"""Load the settings from their layers, the later one wins.

The packaged defaults, the named environment, the settings file, the environment
variables, the mapping given to `create_app`. README.md shows them in a table.

Nothing here imports Flask: the command loads the settings before it becomes the server.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from . import checks, layout
from .layers import Layers

if TYPE_CHECKING:
    from flask import Flask

PREFIX = "{{ cookiecutter.__package | upper }}"
ENVIRONMENTS = ("development", "testing", "production")

Named = str | os.PathLike[str] | Mapping[str, Any] | None
Source = Named | Layers


class ConfigError(click.ClickException):
    """The settings cannot be used; the message has the reason in one line.

    A ClickException, so that `flask` prints that line instead of a traceback.
    """

    exit_code = 2


def instance_path() -> str | None:
    """Return the directory to write to: systemd's STATE_DIRECTORY, if there is one.

    Returns:
        Its path; None for Flask's own choice, which is `instance/` beside the package,
        or in the virtual environment if the package is installed there.

    Raises:
        ConfigError: It is not an absolute path.

    """
    path = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # may be several
    if path and not os.path.isabs(path):  # noqa: PTH117 - Flask wants text, too
        message = f"STATE_DIRECTORY: must be an absolute path, not {path!a}"
        raise ConfigError(message)
    return path or None


def load_config(app: Flask, source: Source = None) -> None:
    """Fill `app.config`, and note the layer that each setting came from.

    Args:
        app: The application; its config holds nothing but Flask's own defaults.
        source: What `create_app` was given: see `load_layers`, or what that returned.

    Raises:
        ConfigError: A name, a file or a value cannot be used.

    """
    layers = source if isinstance(source, Layers) else load_layers(source)
    origin = dict.fromkeys(app.config, "Flask") | layers.origin
    app.config.update(layers.config)
    app.extensions["config_layers"] = origin
    app.extensions["config_warnings"] = layers.warnings


def load_layers(source: Named = None) -> Layers:
    """Return the settings, without Flask's own defaults.

    Args:
        source: The settings ENV (an environment's name) and CFG (a settings file's
            path) choose layers: a name stands for ENV, a path for CFG, a mapping may
            hold both. Whatever is not given here is taken from the variables of these
            names, with the prefix.

    Raises:
        ConfigError: A name, a file or a value cannot be used.

    """
    given = as_mapping(source)
    environment = choose_environment(given)
    path = choose_file(given, environment)
    layers = Layers()
    # Flask takes FLASK_DEBUG as its default, in any environment.
    layers.config["DEBUG"] = environment == "development" and get_debug_flag()

    # Copied, because a later layer may set an item inside of a packaged value.
    layers.add_packaged("default", copy.deepcopy(layout.load_default()))
    packaged = copy.deepcopy(layout.load_environment(environment))
    layers.add_packaged(environment, packaged)
    known = [*layers.config, *checks.SETTINGS, "ENV", "CFG"]
    if path is not None:
        add = layers.add_texts if layout.TEXT else layers.add
        add(f"file {path}", load_file(path))
    for variable, text in sorted(os.environ.items()):
        if variable.startswith(f"{PREFIX}_"):
            name = variable.removeprefix(f"{PREFIX}_")
            layers.add_texts(f"variable {variable}", {name: text})
    layers.warnings += warn_of_threads(layers, given)
    layers.give(given)
    layers.config.update(ENV=environment, CFG=path and str(path))

    origin = layers.origin = {"ENV": "default", "CFG": "default"} | layers.origin
    layers.warnings += warn_of_debug(environment)
    layers.warnings += checks.near_misses(origin, known)
    layers.problems += checks.problems(layers.config, layers.types, origin)
    if layers.problems:
        raise ConfigError("; ".join(layers.problems + layers.warnings))
    return layers


def warn_of_threads(layers: Layers, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning if THREADS has changed since the server was started.

    gunicorn and uWSGI give the application the number that they were started with, so
    that nothing else takes another one, and a reload does not change it.
    """
    wanted = layers.config.get("THREADS")
    if given.get("THREADS", wanted) != wanted:
        layer = layers.origin["THREADS"]
        yield (
            f"THREADS ({layer}): {wanted} has no effect until the server is restarted; "
            f"it was started with {given['THREADS']}"
        )


def get_debug_flag() -> bool:
    """Return what FLASK_DEBUG says, as Flask reads it."""
    return os.environ.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"}


def warn_of_debug(environment: str) -> list[str]:
    """Return a warning that FLASK_DEBUG is ignored, if it is.

    Raises:
        ConfigError: The command `flask` would switch the debugger on in production.

    """
    if environment != "production" or not get_debug_flag():
        return []
    if is_of_flask(click.get_current_context(silent=True)):
        message = (
            "FLASK_DEBUG: must not be set in production, nor flask --debug be used; "
            f"for development, set {PREFIX}_ENV=development"
        )
        raise ConfigError(message)
    return ["FLASK_DEBUG is ignored in production"]


def as_mapping(source: Named) -> dict[str, Any]:
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
    """Return the name of the environment; TESTING in a mapping means `testing`."""
    variable = f"{PREFIX}_ENV"
    environment: str
    if environment := given.get("ENV", ""):
        variable = "ENV"
    elif given.get("TESTING"):
        environment = "testing"
    elif named := os.environ.get(variable):
        environment = named
    else:
        environment = "development" if is_flask_debug() else "production"
    if environment not in ENVIRONMENTS:
        names = ", ".join(ENVIRONMENTS)
        message = (
            f"{variable}: unknown environment {environment!r}; expected one of {names}"
        )
        raise ConfigError(message)
    return environment


def is_flask_debug() -> bool:
    """Return whether `flask --debug` was typed, and there is no settings file.

    The variable FLASK_DEBUG does not count, since it may be left over on a server.
    There, a settings file is named.
    """
    if os.environ.get(f"{PREFIX}_CFG"):
        return False
    context = click.get_current_context(silent=True)
    while context is not None:
        typed = context.get_parameter_source("debug") is ParameterSource.COMMANDLINE
        if typed and is_of_flask(context):
            return get_debug_flag()  # false after --no-debug
        context = context.parent
    return False


def is_of_flask(context: click.Context | None) -> bool:
    """Return whether the command `flask` runs, which has imported `flask.cli`."""
    cli = sys.modules.get("flask.cli")
    return bool(cli and context and isinstance(context.obj, cli.ScriptInfo))


def choose_file(given: Mapping[str, Any], environment: str) -> Path | None:
    """Return the path of the settings file, if there is one."""
    path = os.environ.get(f"{PREFIX}_CFG") or None
    if "CFG" in given:
        path = given["CFG"]
    elif path is None and environment == "development":
        path = layout.find_development_file()
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
