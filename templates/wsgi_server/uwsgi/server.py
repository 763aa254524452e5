"""Run the application on uWSGI, which takes this process over."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).with_name("uwsgi.ini")

# Ctrl-C is uWSGI's from the start: Python's own handler would lose it.
RUN = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "import pyuwsgi; pyuwsgi.run()"
)

# What each worker runs to load the application: it calls the factory, so that no
# variable has to carry the settings. The real paths keep a worker with the release it
# started from, when another one becomes current.
LOAD = f"""
import os, sys
sys.path[:] = map(os.path.realpath, sys.path)
from {__package__} import create_app
"""

# On a TCP listener, which speaks plain HTTP, uWSGI takes the scheme from any client's
# X-Forwarded-Proto.
PLAIN = """
def as_http(environ, start_response, respond=application.wsgi_app):
    environ["wsgi.url_scheme"] = "http"
    return respond(environ, start_response)
application.wsgi_app = as_http
"""


def serve(listener: socket.socket, config: dict[str, Any]) -> None:
    """Become uWSGI; it serves until SIGTERM or Ctrl-C.

    Args:
        listener: A bound TCP or Unix socket.
        config: The settings for `create_app`; literals only.

    """
    listener.set_inheritable(True)
    # Without these it would take a socket of systemd a second time.
    os.environ.pop("LISTEN_PID", None)
    os.environ.pop("LISTEN_FDS", None)
    load = LOAD + f"application = create_app({config!r})\n"
    command = [sys.executable, "-c", RUN]
    command += ["--ini", str(CONFIG)]
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
    os.dup2(1, 2)  # it writes all logs to standard error, the application's, too
    command += ["--eval", load]
    os.execv(command[0], command)  # noqa: S606 - a shell is not wanted
