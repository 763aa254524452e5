"""Settings of gunicorn: https://gunicorn.org/reference/settings/."""
# ruff: noqa: N999 - the name is gunicorn's own

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

# One process a core computes; its threads wait for databases and other services. The
# setting THREADS is their number: see server.py.
workers = 2

# The length of that queue; when it is full, clients are refused.
backlog = 4096

# nginx connects over a local socket: a new connection costs nothing there, and an
# idle one would hold a thread during a restart.
keepalive = 0

# In-flight requests have this many seconds to finish when the server stops: longer
# than nginx waits for them (proxy_read_timeout).
graceful_timeout = 35

# As long and as many as nginx passes on (large_client_header_buffers, max_headers).
limit_request_line = 8190
limit_request_field_size = 8190
limit_request_fields = 1024

# Forwarded headers are trusted by PROXY_HOPS alone. By default gunicorn takes the
# scheme and SCRIPT_NAME from the headers of any client on this machine.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

# It is not used, and would be one more way in.
control_socket_disable = True


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker that does not wait for long requests when it stops (streams.py)."""

    abandons = False
    nr_conns: int  # each has a thread

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """End the loop that waits for connections if only long ones are left."""
        super().wait_for_and_dispatch_events(timeout)
        if not self.alive and self.nr_conns:
            app: Any = self.wsgi
            long = app.extensions.get("streams")  # an application may do without it
            if long and self.nr_conns == len(long.open):
                self.abandons, self.nr_conns = True, 0


worker_class = Worker


def worker_exit(_arbiter: object, worker: Worker) -> None:
    """End the threads of long requests, which Python would wait for."""
    if worker.abandons:
        os._exit(0)


class JsonLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Write gunicorn's own lines like those of the application.

    The file is loaded by its path: if this process imported the package, a reload
    would start workers with old code.
    """

    lines = runpy.run_path(str(Path(__file__).with_name("lines.py")))

    def setup(self, cfg: Config) -> None:
        """Replace gunicorn's handler, at each start and reload."""
        super().setup(cfg)
        self.error_log.handlers = [self.lines["capture"]()]


# server.py names gunicorn's own logger instead where LOG_FORMAT is not "json".
logger_class = JsonLogger


def when_ready(_arbiter: object) -> None:
    """Finish in-flight requests on Ctrl-C, as on SIGTERM."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


# A new worker has the handlers of the arbiter, which only note a signal: one that told
# it to stop in that moment was lost, and stopping took all of `graceful_timeout`. So
# these wait until it has handlers of its own.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def pre_fork(_arbiter: object, _worker: object) -> None:
    """Let signals wait, here and in the worker."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


os.register_at_fork(
    after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
)


def post_fork(_arbiter: object, _worker: object) -> None:
    """Prepare a worker, before it loads the application."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    # Keep it with the release it started from, when another one becomes current.
    sys.path[:] = map(os.path.realpath, sys.path)


def post_worker_init(_worker: object) -> None:
    """Leave Ctrl-C to the arbiter: the handler of a worker could lock it up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
