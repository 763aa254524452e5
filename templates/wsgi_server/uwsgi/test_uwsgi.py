"""How the command becomes uWSGI."""

import json
import os
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from {{ cookiecutter.__package }} import lines, server
from {{ cookiecutter.__package }}.config import load_layers

TEXT = load_layers({"ENV": "testing", "LOG_FORMAT": "text", "THREADS": 5})
JSON = load_layers({"ENV": "testing", "LOG_FORMAT": "json"})


class Started:
    """What was executed, with the environment and the descriptors that it has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note it in place of uWSGI's start."""
        self.program, self.words = "", [""]
        self.copied: list[tuple[int, int]] = []
        system = SimpleNamespace(
            dup=lambda number: number + 70,
            dup2=lambda *pair: self.copied.append(pair),
            environ=os.environ,
            execv=self.execute,
        )
        monkeypatch.setattr(server, "os", system)  # pytest needs its own

    def execute(self, program: str, words: list[str]) -> None:
        """Note a command."""
        self.program, self.words = program, words

    def values(self, option: str) -> list[str]:
        """Return the values of an option."""
        places = [n for n, word in enumerate(self.words) if word == option]
        return [self.words[n + 1] for n in places]

    @property
    def loaded(self) -> str:
        """The code that each worker runs."""
        (code,) = self.values("--eval")
        compile(code, "eval", "exec")
        return code


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Return what is started; the time zone is one of the user's."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setattr(sys, "argv", ["/srv/x/current/bin/x"])
    return Started(monkeypatch)


@pytest.fixture
def tcp() -> Generator[socket.socket]:
    """Return a TCP socket."""
    with socket.socket() as listener:
        yield listener


def test_alone_it_speaks_http_and_believes_no_header(
    started: Started, tcp: socket.socket
) -> None:
    """And writes text, the application's to the same place as its own."""
    server.serve(tcp, TEXT)
    run = f"import runpy; runpy.run_path({str(server.MAIN)!r})['main'](None)"
    assert started.program == sys.executable
    assert started.words[:3] == [sys.executable, "-c", run]
    assert started.words[3:5] == ["--ini", str(server.CONFIG)]
    assert started.values("--threads") == ["5"]
    assert started.values("--http-socket") == [f"fd://{tcp.fileno()}"]
    assert started.values("--socket") == started.values("--logger") == []
    assert started.values("--binary-path") == [sys.executable]
    assert f"config = {TEXT.given!r}\n" in started.loaded
    assert server.PLAIN in started.loaded
    assert server.WRITE not in started.loaded
    assert tcp.get_inheritable()
    assert started.copied == [(1, 2)]
    assert os.environ["TZ"] == "Asia/Tokyo"


def test_behind_nginx_it_speaks_its_own_protocol(started: Started) -> None:
    """By the interpreter of the release that is current at each reload."""
    with socket.socket(socket.AF_UNIX) as listener:
        server.serve(listener, TEXT)
        assert started.values("--socket") == [f"fd://{listener.fileno()}"]
    assert started.values("--http-socket") == []
    assert started.program == started.words[0] == "/srv/x/current/bin/python3"
    assert started.values("--binary-path") == ["/srv/x/current/bin/python3"]
    assert server.PLAIN not in started.loaded
    # uWSGI would take the socket of systemd a second time.
    assert not {"LISTEN_PID", "LISTEN_FDS"} & {*os.environ}


@pytest.mark.parametrize("journal", [True, False])
def test_its_own_lines_are_json(
    journal: bool,  # noqa: FBT001
    started: Started,
    tcp: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a level, a priority for the journal, and times in UTC."""
    monkeypatch.setattr(lines, "is_journal", lambda _stream: journal)
    server.serve(tcp, JSON)
    output = 71
    assert started.words[2].endswith(f"['main']({output})")
    assert started.values("--safe-fd") == [str(output)]
    assert started.values("--log-master-bufsize") == ["65536"]
    assert started.values("--logger") == ["ERROR stdio", "INFO stdio"]
    routes = [route.partition(" ")[0] for route in started.values("--log-route")]
    *encoders, last = started.values("--log-encoder")
    assert routes == ["ERROR", "INFO"]
    assert last == "nl"
    priorities = ("<3>", "<6>")
    for encoder, level, priority in zip(encoders, routes, priorities, strict=True):
        start = f"json:{level} {priority * journal}"
        assert encoder.startswith(start + "{")
        assert json.loads(encoder.removeprefix(start)) == {
            "time": "${strftime:%Y-%m-%dT%H:%M:%S+00:00}",
            "level": level,
            "logger": "uwsgi",
            "message": "${msg}",
        }
    assert started.copied == []
    assert os.environ["TZ"] == "UTC"
    zone = {"TZ": "Asia/Tokyo"}
    assert f"output, zone = {output}, {zone}\n" in started.loaded
    assert server.WRITE in started.loaded


def test_a_path_on_which_it_would_crash_is_refused(
    started: Started, tcp: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not UTF-8, of the interpreter or of the package."""
    for name, value in (("CONFIG", Path("/\udcff")), ("sys.executable", "/\udcff")):
        with monkeypatch.context() as patch:
            if name == "CONFIG":
                patch.setattr(server, name, value)
            else:
                patch.setattr(sys, "executable", value)
            with pytest.raises(click.ClickException, match="must be UTF-8") as error:
                server.serve(tcp, TEXT)
        assert str(error.value).startswith(r"uWSGI cannot run from '/\udcff': ")
    assert started.words == [""]
