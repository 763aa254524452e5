"""How the command runs waitress."""

import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from {{ cookiecutter.__package }} import lines, server
from {{ cookiecutter.__package }}.config import load_layers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Waitress:
    """Stand in for waitress's server; `send` is sent to the process once it serves."""

    def __init__(self, send: int) -> None:
        """Serve nothing."""
        self.send = send
        self.given: dict[str, Any] = {}
        self.loops: list[dict[str, Any]] = []
        self.accepting = True
        self.active_channels: dict[int, Any] = {}
        self.adj = SimpleNamespace(channel_timeout=120, cleanup_interval=30)
        self.next_channel_cleanup = 99
        self.triggered = False
        self.asyncore = SimpleNamespace(loop=self.loop)

    def create(self, _app: object, **given: object) -> "Waitress":
        """Return itself in place of a new server."""
        self.given = given
        return self

    def loop(self, **given: object) -> None:
        """Receive the signal; then work on one request until the next call."""
        self.loops.append(given)
        assert len(self.loops) < 10, "no signal was handled"
        if len(self.loops) == 1:
            self.active_channels = {1: None}
            signal.raise_signal(self.send)
        else:
            self.active_channels = {}

    def pull_trigger(self) -> None:
        """Note that the loop was woken."""
        self.triggered = True


@pytest.fixture(autouse=True)
def _own_signals() -> Generator[None]:
    """Restore handlers and the mask."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("family", "number", "limit"),
    [
        (socket.AF_INET, signal.SIGTERM, 1000),
        (socket.AF_INET, signal.SIGINT, 1000),
        (socket.AF_UNIX, signal.SIGTERM, 2 * 5 + 2),
        (socket.AF_UNIX, signal.SIGHUP, 2 * 5 + 2),
    ],
)
def test_it_finishes_requests_and_behind_nginx_restarts(
    family: socket.AddressFamily,
    number: signal.Signals,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM and Ctrl-C stop it, SIGHUP restarts it with the same socket."""
    waitress = Waitress(number)
    restarted: list[socket.socket] = []
    logger = logging.getLogger("waitress")
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setattr(server, "create_server", waitress.create)
    monkeypatch.setattr(server, "restart", restarted.append)
    told: list[str] = []
    monkeypatch.setattr(server, "tell_systemd", told.append)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if family == socket.AF_UNIX:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])  # as after a restart
    with socket.socket(family) as listener:
        server.serve(listener, load_layers({"ENV": "testing", "THREADS": 5}))
        channels = waitress.given.pop("map")
        assert waitress.given == {
            "sockets": [listener],
            "threads": 5,
            "connection_limit": limit,
            "backlog": 4096,
            "clear_untrusted_proxy_headers": False,
            "ident": None,
        }
        assert restarted == ([listener] if number == signal.SIGHUP else [])
    assert waitress.loops == [{"timeout": 1, "map": channels, "count": 1}] * 2
    assert waitress.triggered
    assert told == ["READY=1"]
    assert waitress.accepting is False
    assert vars(waitress.adj) == {"channel_timeout": 1, "cleanup_interval": 1}
    assert waitress.next_channel_cleanup == 0
    assert logger.level == logging.ERROR
    if number == signal.SIGHUP:
        assert signal.getsignal(number) != signal.SIG_DFL
    else:
        assert signal.getsignal(number) == signal.SIG_DFL  # a second one ends it
    if family == socket.AF_INET:
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.parametrize(("log_format", "times"), [("json", 1), ("text", 0)])
def test_it_captures_output_if_lines_are_json(
    log_format: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything else is written."""
    captured: list[bool] = []
    monkeypatch.setattr(lines, "capture", lambda: captured.append(True))
    monkeypatch.setattr(server, "create_server", Waitress(signal.SIGTERM).create)
    with socket.socket() as listener:
        server.serve(
            listener, load_layers({"ENV": "testing", "LOG_FORMAT": log_format})
        )
    assert captured == [True] * times


def test_a_restart_keeps_the_socket_and_holds_the_next_one_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGHUP is blocked until the new program handles it."""
    executed: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "execv", lambda *arguments: executed.append(arguments))
    monkeypatch.setattr(sys, "argv", ["/program", "--option"])
    with socket.socket() as listener:
        server.restart(listener)
        assert listener.get_inheritable()
    assert executed == [("/program", ["/program", "--option"])]
    assert signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(sys.platform != "linux", reason="systemd runs on Linux")
@pytest.mark.parametrize("abstract", [True, False])
def test_systemd_is_told_on_both_kinds_of_sockets(
    abstract: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An abstract socket has a name that begins with `@`: sd_notify(3)."""
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(f"\0{directory}" if abstract else f"{directory}/notify")
        systemd.settimeout(5)
        name = f"@{directory}" if abstract else f"{directory}/notify"
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        server.tell_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_a_socket_of_systemd_that_fails_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The service starts, and the log has the reason."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    server.tell_systemd("READY=1")
    assert not caplog.records
    monkeypatch.setenv("NOTIFY_SOCKET", "/no/such/socket")
    server.tell_systemd("READY=1")
    (message,) = caplog.messages
    assert message.startswith("cannot write to NOTIFY_SOCKET '/no/such/socket': [Errno")
