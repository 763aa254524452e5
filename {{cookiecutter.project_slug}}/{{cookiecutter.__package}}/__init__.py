"""{{ cookiecutter.project_slug }}: a Flask service, created by `create_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from .config import Source

__all__ = ["create_app"]


def create_app(config: Source = None) -> Flask:
    """Create and configure an application.

    Args:
        config: ``None`` to let the environment variables decide, the name of an
            environment, the path of a settings file, or a mapping of settings.
            See `load_config`.

    Raises:
        ConfigError: The settings are invalid; the message is one line.

    """
    # Imported here, so that the command, which imports this package, becomes the server
    # without delay. The server imports Flask.
    from flask import Flask

    from {{ cookiecutter.__package }}.config import instance_path, load_config, show

{% if cookiecutter.database == 'none' %}
    from . import csp, errors, headers, health, log, pages, proxy, streams
{% else %}
    from . import (
        csp,
        csrf,
        database,
        errors,
        headers,
        health,
        log,
        pages,
        proxy,
        streams,
        topics,
    )
{% endif %}

    app = Flask(__name__, instance_path=instance_path())
    load_config(app, config)
    log.init_app(app)
    streams.init_app(app)
    proxy.init_app(app)
    headers.init_app(app)
    csp.init_app(app)
    errors.init_app(app)
    show.init_app(app)
    health.init_app(app)
    pages.init_app(app)
{% if cookiecutter.database != 'none' %}
    database.init_app(app)
    csrf.init_app(app)
    topics.init_app(app)
{% endif %}

    # Start-up code and extensions (`init_app(app)`) go here. This runs once for each
    # application, before its first request. Flask has no before_first_request.

    return app
