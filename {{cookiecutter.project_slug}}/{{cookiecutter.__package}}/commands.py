"""Commands for `flask --app {{ cookiecutter.__package }}`."""

import re

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE|(^|_)KEY|DSN")
URL_PASSWORD = re.compile(r"(?<=://)([^/@\s]*:)[^/@\s]+(?=@)")


def init_app(app: Flask) -> None:
    """Add the commands to the application's command line."""
    app.cli.add_command(show_config)


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
    if isinstance(value, dict):
        return {k: masked(f"{name}_{k}".upper(), item) for k, item in value.items()}
    if SECRET.search(name) and value is not None and not isinstance(value, bool):
        return "***"
    if isinstance(value, str):
        return URL_PASSWORD.sub(r"\1***", value)
    return value
