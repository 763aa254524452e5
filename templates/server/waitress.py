"""Run the application on waitress, in this process."""

import signal
import socket
from types import FrameType
from typing import Any

import waitress

from . import create_app

# How many requests are worked on at the same time. More help only views that wait
# for something else, because one interpreter computes one thing at a time.
THREADS = 8


def serve(listener: socket.socket, config: dict[str, str]) -> None:
    """Serve until SIGTERM or Ctrl-C, and finish the requests at work.

    Args:
        listener: A bound TCP or Unix socket.
        config: The settings for `create_app`.

    """
    channels: dict[int, Any] = {}
    server = waitress.create_server(
        create_app(config),
        map=channels,
        sockets=[listener],
        threads=THREADS,
        # The rest waits in the kernel, where a restart does not lose it.
        connection_limit=1000,
        # waitress listens again with its own backlog of 1024; a full one refuses.
        backlog=4096,
        # The response headers do not say what answers here.
        ident=None,
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.accepting = False
        # Let go of clients that keep a connection and ask for nothing.
        server.adj.channel_timeout = server.adj.cleanup_interval = 1
        server.next_channel_cleanup = 0
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    # Neither server.run() nor server.task_dispatcher.shutdown(): both lose requests
    # that take longer than five seconds to finish.
    while server.accepting or server.active_channels:
        server.asyncore.loop(timeout=1, map=channels, count=1)
