"""The command line: it starts, it stops, and it explains mistakes in one line."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click import Abort
from flask import Flask

from {{ cookiecutter.__package }} import __main__, check, create_app, server
from {{ cookiecutter.__package }}.__main__ import main
from {{ cookiecutter.__package }}.config import PREFIX, load_layers
from {{ cookiecutter.__package }}.config.layers import Layers

COMMAND = [sys.executable, "-m", create_app.__module__]

# The same as the installed command, which lies beside the interpreter.
INSTALLED = """
import sys
from {{ cookiecutter.__package }}.__main__ import main
arguments = sys.argv[1:]
sys.argv = [sys.executable, *sys.orig_argv[1:]]
main(arguments)
"""


@contextmanager
def running(*arguments: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Start the service on a free port; yield its address and its process."""
    command = [*COMMAND, "--port", "0", *arguments]
    process = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield found[0], process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the workers, too
        process.communicate(timeout=10)


def test_it_serves_with_the_settings_given_until_it_is_told_to_stop(
    settings_file: Callable[..., Path],
) -> None:
    """The settings reach the application; it ends with code 0 on SIGTERM and Ctrl-C."""
    path = settings_file(SECRET_KEY="of this test", SERVER_NAME="named.test")
    arguments = ("--settings", str(path), "--env", "testing")
    with running(*arguments) as one, running(*arguments) as two:
        for (url, process), ending in ((one, signal.SIGTERM), (two, signal.SIGINT)):
            with urlopen(f"{url}/healthz", timeout=10) as answer:
                assert answer.status == 200
            process.send_signal(ending)
        for _, process in (one, two):
            assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--port nine", "nine"),
        ("--port 70000", "70000"),
        ("--no-such-option", "--no-such-option"),
        ("unexpected", "unexpected"),
        ("--env prod", "prod"),
        ("--settings /no/such/file", "/no/such/file"),
        ("--env testing --host 192.0.2.1", "cannot listen on 192.0.2.1"),
        ("--env testing --settings .", "not a regular file"),
        ("--env production", "SECRET_KEY: must be set in production"),
    ],
)
def test_a_mistake_gets_one_line_and_code_2(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, no usage message that hides the point."""
    assert said in only_line_of(arguments.split(), capsys)


@pytest.mark.parametrize("more", [[], ["--debug"]])
def test_a_port_in_use_gets_one_line_and_code_2(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found out before a server starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = only_line_of(["--env", "testing", "--port", port, *more], capsys)
    assert f"cannot listen on 127.0.0.1 port {port}" in line


def only_line_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, which fails; return its message."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    return said.err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """No manual is needed."""
    main(["--help"])
    said = capsys.readouterr().out
    options = ("--settings", "--env", "--host", "--port", "--debug", "--check")
    for word in (*options, f"{PREFIX}_ENV"):
        assert word in said


def test_the_address_that_it_prints_can_be_requested() -> None:
    """Even if it listens on all addresses, which 0 stands for."""
    for host in ("127.0.0.1", "0"):
        with __main__.listen(host, 0) as listener:
            port = listener.getsockname()[1]
            assert __main__.url_of(listener) == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["127.0.0.2", "0", "LocalHost", "::1", "::"])
def test_the_address_that_it_prints_answers_in_production(
    host: str, settings_file: Callable[..., Path]
) -> None:
    """For any names in TRUSTED_HOSTS; others are still refused."""
    if ":" in host and not has_ipv6():
        pytest.skip("the kernel has no IPv6")
    path = settings_file(SECRET_KEY="of this test, and long enough")
    with running("--settings", str(path), "--host", host) as (url, _):
        with urlopen(f"{url}/healthz", timeout=10) as answer:
            assert answer.status == 200
        other = Request(f"{url}/healthz", headers={"Host": "evil.example"})
        with pytest.raises(HTTPError, match="400"):
            urlopen(other, timeout=10)


def has_ipv6() -> bool:
    """Return whether this machine can listen on an IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="systemd runs on Linux")
def test_more_hops_than_nginx_forwards_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the socket of systemd, PROXY_HOPS is not overwritten silently."""
    monkeypatch.setenv(f"{PREFIX}_PROXY_HOPS", "2")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.setattr(__main__, "listener_of_systemd", lambda: listener)
        line = only_line_of(["--env", "testing"], capsys)
    assert line == (
        f"{__main__.NAME}: PROXY_HOPS: must be 0 or 1 behind nginx, not 2: nginx "
        "forwards one client address, and handles proxies in front itself "
        "(https: proxy)\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
@pytest.mark.parametrize(
    ("family", "more"), [(socket.AF_UNIX, {"PROXY_HOPS": 1}), (socket.AF_INET, {})]
)
def test_only_nginx_is_trusted_on_a_socket_of_systemd(
    family: socket.AddressFamily,
    more: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any client can connect to a TCP socket."""
    served: list[object] = []

    def serve(listener: socket.socket, layers: Layers) -> None:
        served.extend([listener, layers.given])
        assert layers.config["PROXY_HOPS"] == more.get("PROXY_HOPS", 0)

    monkeypatch.setattr(server, "serve", serve)
    with socket.socket(family) as listener:
        monkeypatch.setattr(__main__, "listener_of_systemd", lambda: listener)
        main(["--env", "testing"])
        assert served == [listener, {"ENV": "testing", **more}]


def test_an_abort_ends_it_with_the_code_of_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shell reports 128 and the number of SIGINT."""

    def abort(*_: object, **_options: object) -> None:
        raise Abort

    monkeypatch.setattr(__main__.command, "main", abort)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 130


def test_check_says_whether_it_would_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It serves nothing: `systemctl reload` runs this before it reloads."""
    monkeypatch.setattr(check, "faults", lambda *_: [])
    main(["--env", "testing", "--check"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{__main__.NAME}: would start (MAX_CONTENT_LENGTH: ")
    assert "SECRET_KEY" in only_line_of(["--env", "production", "--check"], capsys)


def test_debug_is_refused_in_production(
    settings_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The debugger runs any code that it is sent."""
    path = settings_file(SECRET_KEY="of this test, and long enough")
    arguments = ["--settings", str(path), "--env", "production", "--debug"]
    message = "--debug: must not be used with the environment production"
    assert only_line_of(arguments, capsys) == f"{__main__.NAME}: {message}\n"


@pytest.mark.parametrize("env", ["development", "testing"])
def test_debug_means_development_unless_an_environment_is_named(
    env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host and the port reach the development server, too."""
    given: list[object] = []

    def develop(host: str, port: int, layers: Layers) -> None:
        given.extend([host, port, layers.given])

    monkeypatch.setattr(__main__, "develop", develop)
    named = [] if env == "development" else ["--env", env]
    main(["--debug", "--host", "::1", "--port", "1", *named])
    assert given == ["::1", 1, {"ENV": env}]


def test_the_development_server_does_not_depend_on_variables_of_flask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does it read other files than the settings."""
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # would start nothing
    monkeypatch.setenv("FLASK_DEBUG", "0")
    given: dict[str, Any] = {}

    def run_simple(host: str, port: int, _app: Flask, **options: object) -> None:
        given.update(options, host=host, port=port)

    monkeypatch.setattr("werkzeug.serving.run_simple", run_simple)
    monkeypatch.setattr("flask.cli.load_dotenv", pytest.fail)
    __main__.develop("127.0.0.1", 0, load_layers("development"))
    assert given["use_debugger"] is True
    assert (given["host"], given["port"]) == ("127.0.0.1", 0)


def test_check_refuses_an_application_that_always_fails(
    settings_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`deploy/install` runs this before a release serves."""

    def fail() -> None:
        raise RuntimeError

    def create_broken_app(config: Layers) -> Flask:
        app = create_app(config)
        app.before_request(fail)
        return app

    monkeypatch.setattr(__main__, "create_app", create_broken_app)
    path = settings_file(SECRET_KEY="of this test")
    with pytest.raises(SystemExit) as end:
        main(["--settings", str(path), "--check"])
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{__main__.NAME}: GET /healthz: RuntimeError: (")
    assert all(line.startswith(f"{__main__.NAME}: GET /") for line in lines)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd runs on Linux")
def test_it_serves_the_socket_that_systemd_has_made(
    settings_file: Callable[..., Path],
) -> None:
    """It notifies systemd when it is ready, and does not remove the socket."""
    path = settings_file(SECRET_KEY="of this test")
    with activated("--settings", str(path)) as (process, address, _):
        assert is_refused(address)
        process.terminate()
        assert process.wait(timeout=20) == 0
        assert Path(address).is_socket()


@pytest.mark.skipif(sys.platform != "linux", reason="systemd runs on Linux")
def test_reloads_during_a_reload_do_not_end_it(
    settings_file: Callable[..., Path],
) -> None:
    """SIGHUP would end a new program that does not handle it yet."""
    path = settings_file(SECRET_KEY="of this test")
    with activated("--settings", str(path)) as (process, address, systemd):
        assert is_refused(address)
        systemd.settimeout(0.005)
        for _ in range(300):
            process.send_signal(signal.SIGHUP)
            with suppress(TimeoutError):  # a full queue would stop the new program
                systemd.recv(1000)
        assert is_refused(address)
        assert process.poll() is None


@contextmanager
def activated(
    *arguments: str,
) -> Generator[tuple[subprocess.Popen[bytes], str, socket.socket]]:
    """Start the service on a socket, and wait until it is ready.

    Yield its process, the path of its socket, and the socket that it notifies.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        listener.bind(f"{directory}/listener")
        listener.listen()
        systemd.bind(f"{directory}/notify")
        systemd.settimeout(20)
        process = activate(listener, f"{directory}/notify", *arguments)
        try:
            while b"READY=1" not in systemd.recv(1000):
                pass  # uWSGI sends other messages first
            yield process, f"{directory}/listener", systemd
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the workers, too
            process.wait(timeout=10)


def is_refused(path: str) -> bool:
    """Send what is no request, in HTTP or in uWSGI's protocol; wait for the end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        client.sendall(bytes(4) + b"\r\n\r\n")
        answer = client.recv(1000)
    return answer == b"" or b" 400 " in answer


def activate(
    listener: socket.socket, notify: str, *arguments: str
) -> subprocess.Popen[bytes]:
    """Start the service as its unit does: see sd_listen_fds(3) and sd_notify(3)."""
    start = (
        f"export LISTEN_FDS=1 LISTEN_PID=$$ NOTIFY_SOCKET={notify}; "
        'exec "$@" 3<&0 0</dev/null'
    )
    return subprocess.Popen(
        ["/bin/sh", "-c", start, "sh", sys.executable, "-c", INSTALLED, *arguments],
        start_new_session=True,
        stdin=listener.fileno(),
    )
