"""Run the application on uWSGI, which takes this process over."""

import json
import os
import socket
import sys
from pathlib import Path

import click

from . import lines
from .config.layers import Layers

CONFIG = Path(__file__).with_name("uwsgi.ini")
MAIN = Path(__file__).with_name("uwsgi_main.py")

# uWSGI's own lines: a level, its priority in the journal and the lines that have it.
ERRORS = "DAMN|error|fail|unable|cannot|traceback|segmentation|not found"
LEVELS = (
    ("ERROR", "<3>", f"(?is)({ERRORS})"),
    ("INFO", "<6>", f"(?is)^(?!.*({ERRORS}))"),
)

# What each worker runs to load the application: it calls the factory, so that no
# variable has to carry the settings. The real paths keep a worker with the release it
# started from, when another one becomes current.
LOAD = """
import os, sys
sys.path[:] = map(os.path.realpath, sys.path)
"""

# For JSON, a worker writes to standard output itself, not by way of uWSGI, and gets
# back the time zone that was set.
WRITE = f"""
import time
os.dup2(output, 1)
sys.__stdout__ = open(1, "w", closefd=False)
del os.environ["TZ"]
os.environ.update(zone)
time.tzset()
from {__package__} import lines
lines.capture()
"""

CREATE = f"""
from {__package__} import create_app
application = create_app(config)
"""

# On a TCP listener, which speaks plain HTTP, uWSGI takes the scheme from any client's
# X-Forwarded-Proto.
PLAIN = """
def as_http(environ, start_response, respond=application.wsgi_app):
    environ["wsgi.url_scheme"] = "http"
    return respond(environ, start_response)
application.wsgi_app = as_http
"""


def serve(listener: socket.socket, layers: Layers) -> None:
    """Become uWSGI; it serves until SIGTERM or Ctrl-C.

    Args:
        listener: A bound TCP or Unix socket.
        layers: The settings. Each worker loads them again, at each reload, from what
            `create_app` is given here.

    """
    for path in (sys.executable, str(CONFIG)):
        check_path(path)
    listener.set_inheritable(True)
    # Without these it would take a socket of systemd a second time.
    os.environ.pop("LISTEN_PID", None)
    os.environ.pop("LISTEN_FDS", None)
    output = os.dup(1) if layers.config["LOG_FORMAT"] == "json" else None
    run = f"import runpy; runpy.run_path({str(MAIN)!r})['main']({output})"
    command = [sys.executable, "-c", run]
    threads = layers.config["THREADS"]
    layers.give({"THREADS": threads})  # a reload changes neither
    command += ["--ini", str(CONFIG), "--threads", str(threads)]
    load = LOAD
    if output is None:
        os.dup2(1, 2)  # it writes all logs to standard error, the application's, too
    else:
        command += json_options(output)
        zone = {k: v for k, v in os.environ.items() if k == "TZ"}
        os.environ["TZ"] = "UTC"  # of the times that uWSGI writes
        load += f"output, zone = {output!r}, {zone!r}" + WRITE
    load += f"config = {layers.given!r}" + CREATE
    if listener.family == socket.AF_UNIX:
        # The interpreter is the one beside the command, through the link to the
        # current release: a reload starts the release that is current then.
        command[0] = str(Path(sys.argv[0]).with_name("python3"))
        # nginx speaks uWSGI's own protocol.
        command += ["--socket", f"fd://{listener.fileno()}"]
    else:
        command += ["--http-socket", f"fd://{listener.fileno()}"]
        load += PLAIN
    command += ["--binary-path", command[0]]  # what a reload starts
    command += ["--eval", load]
    os.execv(command[0], command)  # noqa: S606 - a shell is not wanted


def check_path(path: str) -> None:
    """Refuse a path on which uWSGI would crash."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        message = f"uWSGI cannot run from {path!a}: the path must be UTF-8"
        raise click.ClickException(message) from error


def json_options(output: int) -> list[str]:
    """Return the options that make uWSGI write its own lines as JSON."""
    fields = {
        "time": "${strftime:%Y-%m-%dT%H:%M:%S+00:00}",
        "level": "",
        "logger": "uwsgi",
        "message": "${msg}",
    }
    in_journal = lines.is_journal(sys.stdout)
    options = ["--safe-fd", str(output), "--log-master-bufsize", "65536"]
    for level, priority, pattern in LEVELS:
        entry = json.dumps(fields | {"level": level})
        if in_journal:
            entry = priority + entry
        options += ["--logger", f"{level} stdio"]
        options += ["--log-route", f"{level} {pattern}"]
        options += ["--log-encoder", f"json:{level} {entry}"]
    return [*options, "--log-encoder", "nl"]
