"""Run the application on uWSGI, which takes this process over."""

import os
import socket
import sys
from pathlib import Path

CONFIG = Path(__file__).with_name("uwsgi.ini")

# What each worker runs to load the application: it calls the factory, so that no
# variable has to carry the settings. uWSGI tells workers to stop by SIGHUP, but one
# that is still loading would miss it, and uWSGI would wait for it forever: until
# uWSGI handles that signal, let it end the worker, which has no requests yet.
LOAD = f"""
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from {__package__} import create_app
"""


def serve(listener: socket.socket, config: dict[str, str]) -> None:
    """Become uWSGI; it serves HTTP until SIGTERM or Ctrl-C.

    Args:
        listener: A bound TCP or Unix socket.
        config: The settings for `create_app`; literals only.

    """
    listener.set_inheritable(True)
    command = [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()"]
    command += ["--ini", str(CONFIG), "--http-socket", f"fd://{listener.fileno()}"]
    command += ["--eval", LOAD + f"application = create_app({config!r})"]
    os.execv(command[0], command)  # noqa: S606 - a shell is not wanted
