"""{{ cookiecutter.project_slug }}: a Flask service, made by `create_app`."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import commands, errors, health, log, overload, pages
from .config import Source, load_config
from .headers import ResponseHeaders
from .sessions import SessionInterface

__all__ = ["create_app"]


def create_app(config: Source = None) -> Flask:
    """Make an application of its own; call it as often as you need one.

    Args:
        config: ``None`` for what the environment variables say, the name of an
            environment, the path of a settings file, or a mapping of settings.
            See `load_config`.

    Raises:
        ConfigError: The settings cannot be used; the message is one line.

    """
    app = Flask(__name__)
    app.session_interface = SessionInterface()
    load_config(app, config)
    log.init_app(app)

    # Trust what as many proxies say as stand in front, and no further.
    if hops := app.config["PROXY_HOPS"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
        app.register_blueprint(overload.bp)

    # Every response has these, whatever it is that answers.
    app.wsgi_app = ResponseHeaders(app.wsgi_app)  # type: ignore[method-assign]

    errors.init_app(app)
    commands.init_app(app)
    health.init_app(app)

    app.register_blueprint(pages.bp)
    app.register_blueprint(health.bp)

    # Start-up work goes here: what once stood in before_first_request, or under
    # `if __name__ == "__main__"`. It runs once for each application, before the
    # first request. Give extensions their `init_app(app)` here, too.

    return app
