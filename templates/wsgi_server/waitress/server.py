"""Run the application on waitress, in this process."""

import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any

from flask import Flask
from waitress.server import create_server

from . import create_app, lines
from .config.layers import Layers

LOG = logging.getLogger(__name__)


def serve(listener: socket.socket, layers: Layers) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish in-flight requests, but no long ones.

    Behind nginx, SIGHUP finishes them, too, and restarts the program: with the
    same process id and the same socket, where requests wait in the meantime.

    Args:
        listener: A bound TCP or Unix socket.
        layers: The settings.

    """
    if layers.config["LOG_FORMAT"] == "json":
        lines.capture()
    behind_nginx = listener.family == socket.AF_UNIX
    channels: dict[int, Any] = {}
    app = create_app(layers)
    threads = layers.config["THREADS"]
    server: Any = create_server(
        app,
        map=channels,
        sockets=[listener],
        threads=threads,
        # Behind nginx each connection is one request, and what cannot be worked on
        # at once waits in the kernel, where a restart does not lose it. A
        # stand-alone server has clients that keep connections without a request.
        # waitress counts two more: the socket it listens on, and one of its own.
        connection_limit=2 * threads + 2 if behind_nginx else 1000,
        # waitress listens again with its own backlog of 1024; a full one refuses.
        backlog=4096,
        # PROXY_HOPS decides which proxies are trusted.
        clear_untrusted_proxy_headers=False,
        # Response headers do not name the server.
        ident=None,
    )
    # It warns each time that all threads are busy: thousands of lines in a rush.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    reload = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal reload
        reload = number == signal.SIGHUP
        if not reload:
            signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        server.accepting = False
        # Close connections on which no request arrives.
        server.adj.channel_timeout = server.adj.cleanup_interval = 1
        server.next_channel_cleanup = 0
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if behind_nginx:
        signal.signal(signal.SIGHUP, stop)
        # One that came while the program started was held back: see `restart`.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
    tell_systemd("READY=1")

    # Neither server.run() nor server.task_dispatcher.shutdown(): both lose requests
    # that take longer than five seconds to finish.
    while server.accepting or ordinary(server.active_channels, app):
        server.asyncore.loop(timeout=1, map=channels, count=1)
    if reload:
        restart(listener)


def ordinary(channels: dict[int, Any], app: Flask) -> list[Any]:
    """Return the connections without a long request: event streams may never end."""
    long = app.extensions.get("streams")  # an application may do without it
    environs = long.open if long else []
    busy = {environ["waitress.client_disconnected"].__self__ for environ in environs}
    return [channel for channel in channels.values() if channel not in busy]


def restart(listener: socket.socket) -> None:
    """Replace this process by the current program, with the same socket."""
    # Until the new program handles SIGHUP, one would end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    listener.set_inheritable(True)
    os.execv(sys.argv[0], sys.argv)  # noqa: S606 - a shell is not wanted


def tell_systemd(state: str) -> None:
    """Send a message to systemd, if that has started this process: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the name of an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.settimeout(2)  # a queue that is full would block it
            connection.sendto(state.encode(), address)
    except OSError as error:
        LOG.warning("cannot write to NOTIFY_SOCKET %r: %s", address, error)
