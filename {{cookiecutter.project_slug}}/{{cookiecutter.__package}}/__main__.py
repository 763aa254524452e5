"""The command line: run the service, stand-alone or under systemd."""

import logging
import os
import signal
import socket
import sys

import click

from . import create_app, lines, server
from .config import ENVIRONMENTS, PREFIX, load_layers
from .config.kinds import is_host
from .config.layers import Layers
from .config.layout import ENDING

NAME = "{{ cookiecutter.project_slug }}"


@click.command(
    NAME,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog=f"Without --env and --settings, the variables {PREFIX}_ENV and {PREFIX}_CFG "
    f"decide. `flask --app {__package__} config` shows the result.",
)
@click.option("--settings", metavar="FILE", help=f"Settings file ({ENDING}).")
@click.option(
    "--env",
    type=click.Choice(ENVIRONMENTS),
    help="Environment.  [default: production; development with --debug]",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--debug", is_flag=True, help="Develop: reload code, show errors.")
@click.option("--check", is_flag=True, help="Validate and exit: 0, or 2 and why.")
@click.option("--nginx", metavar="SITE", help="With --check: compare limits with it.")
@click.version_option(package_name=NAME)
def command(  # noqa: PLR0913 - an argument for each option
    settings: str | None,
    env: str | None,
    host: str,
    port: int,
    *,
    debug: bool,
    check: bool,
    nginx: str | None,
) -> None:
    """Run the service stand-alone on http://HOST:PORT, until SIGTERM or Ctrl-C.

    Started by systemd with a socket, it serves that instead.
    """
    if debug and env is None:
        env = "development"
    given = {"ENV": env, "CFG": settings}
    # Find mistakes before anything starts, and before Flask is imported.
    layers = load_layers({k: v for k, v in given.items() if v is not None})
    config = layers.config
    if debug and config["ENV"] == "production":
        message = "--debug: must not be used with the environment production"
        raise click.UsageError(message)
    if check:
        find_faults(layers, nginx)
    elif debug:
        develop(host, port, layers)
    elif listener := listener_of_systemd():
        if listener.family == socket.AF_UNIX:
            # Only nginx can connect to it, so what it forwards can be trusted.
            check_hops(config["PROXY_HOPS"])
            layers.give({"PROXY_HOPS": 1})
        server.serve(listener, layers)
    else:
        listener = listen(host, port)
        url = url_of(listener)
        if (hosts := config.get("TRUSTED_HOSTS")) is not None:
            # The address that is printed answers, and so does the name that was given.
            printed = url.removeprefix("http://").rpartition(":")[0]
            names = printed, host.lower().rstrip(".")
            layers.give({"TRUSTED_HOSTS": [*hosts, *filter(is_host, names)]})
        click.echo(f"{NAME} listens on {url} (stop it with Ctrl-C)", err=True)
        server.serve(listener, layers)


def find_faults(layers: Layers, nginx: str | None) -> None:
    """Make requests of an application that is not served (check.py).

    Raises:
        click.ClickException: They have shown faults, a line for each.

    """
    from .check import faults

    if found := faults(lambda: create_app(layers), nginx):
        raise click.ClickException("\n".join(found))
    # `deploy/install` reads the number, and sets it in nginx.
    body = layers.config.get("MAX_CONTENT_LENGTH")
    report(logging.INFO, f"would start (MAX_CONTENT_LENGTH: {body})")


def check_hops(hops: int) -> None:
    """Refuse a number of proxies that nginx does not forward."""
    if hops > 1:
        message = (
            f"PROXY_HOPS: must be 0 or 1 behind nginx, not {hops}: nginx forwards one "
            "client address, and handles proxies in front itself (https: proxy)"
        )
        raise click.ClickException(message)


def listener_of_systemd() -> socket.socket | None:
    """Return the socket that systemd listens on for this process: sd_listen_fds(3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    return socket.socket(fileno=3)


def url_of(listener: socket.socket) -> str:
    """Return the address at which the service answers."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host) or host  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address.

    Raises:
        click.ClickException: The address is taken, or none of this machine's.

    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"cannot listen on {host} port {port}: {reason}"
        raise click.ClickException(message) from error


def develop(host: str, port: int, layers: Layers) -> None:
    """Serve with Flask's development server, its reloader and its debugger."""
    from werkzeug.serving import is_running_from_reloader

    if not is_running_from_reloader():
        listen(host, port).close()  # find out whether the server will be able to
    # The reloader is two processes: leave in order, so that neither stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Flask would put `.env` into the environment (its settings are loaded already), and
    # start nothing with this variable.
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    create_app(layers).run(host, port, debug=True, load_dotenv=False)


def report(level: int, message: str) -> None:
    """Print a message; in the journal, as a log record in JSON."""
    if lines.is_journal(sys.stderr):
        record = logging.LogRecord(NAME, level, "", 0, message, None, None)
        lines.Handler().handle(record)
    else:
        click.echo(f"{NAME}: {message}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run `command`; a mistake of the user's ends it with one line and code 2."""
    try:
        command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        for line in error.format_message().splitlines():
            report(logging.ERROR, line)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
