"""The command `flask --app {{ cookiecutter.__package }} config`."""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from .mask import masked


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
