"""The command `flask --app {{ cookiecutter.__package }} config`."""

import re

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

SECRET = re.compile(
    r"SECRET|PASS|PWD|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|(^|_)KEYS?(_|$)|DSN|SALT|AUTH",
    re.IGNORECASE,
)
# user:password@ in a URL, and ?token=... behind it.
URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*:)\S*(?=@)")
# A table that is not valid JSON, and so has remained a text.
TABLE = re.compile(r"[\[\s]*\{")
URL_TOKEN = re.compile(r"([?&][^=&\s]*(?:key|pass|secret|sig|token)[^=&\s]*=)[^&\s]+")


def init_app(app: Flask) -> None:
    """Add `flask config`, and log what is probably a mistake in the settings."""
    app.cli.add_command(show_config)
    for warning in app.extensions["config_warnings"]:
        app.logger.warning(warning)


@click.command("config")
@with_appcontext
def show_config() -> None:
    """Show every setting, its value and the layer it came from."""
    layers = current_app.extensions["config_layers"]
    width = max(len(name) for name in current_app.config)
    for name, value in sorted(current_app.config.items()):
        layer = layers.get(name, "set in code")
        click.echo(f"{name:<{width}}  {masked(name, value)!r}  ({layer})")


def masked(name: str, value: object) -> object:
    """Return the value of a setting with everything secret replaced by `***`."""
    if value is None or isinstance(value, bool):
        return value
    if SECRET.search(name) or (isinstance(value, str) and TABLE.match(value)):
        return "***"
    if isinstance(value, dict):
        return {key: masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(name, item) for item in value]
    if isinstance(value, str):
        return URL_TOKEN.sub(r"\1***", URL_PASSWORD.sub(r"\1***", value))
    return value
