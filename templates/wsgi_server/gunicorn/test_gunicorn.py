"""What gunicorn's processes do with signals, and how gunicorn logs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.__package }} import server
from {{ cookiecutter.__package }}.config import PREFIX, load_layers

# In a process of its own: the file changes what a fork does.
START = """
import logging, os, runpy, signal, sys
conf = runpy.run_path(sys.argv[1])
stopping = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
def blocked():
    return stopping & signal.pthread_sigmask(signal.SIG_BLOCK, [])
"""
FORK = """
conf["pre_fork"](None, None)
assert blocked() == stopping
os.symlink("/usr", sys.argv[2])
sys.path.append(sys.argv[2])
child = os.fork()
if child == 0:
    try:
        assert blocked() == stopping
        for number in stopping:
            signal.signal(number, lambda *_: None)
        conf["post_fork"](None, None)
        assert not blocked()
        assert {signal.getsignal(number) for number in stopping} == {signal.SIG_DFL}
        assert sys.path[-1] == os.path.realpath("/usr")
        conf["post_worker_init"](None)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        os._exit(0)
    finally:
        os._exit(1)
assert not blocked()
assert os.waitpid(child, 0)[1] == 0
"""
READY = """
received = []
signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
conf["when_ready"](None)
signal.raise_signal(signal.SIGINT)
assert received == [signal.SIGTERM]
"""
LOGGER = """
from gunicorn.config import Config
config = Config()
config.set("loglevel", "warning")
logger = conf["logger_class"](config)
assert logger.error_log.level == logging.WARNING
(handler,) = logger.error_log.handlers
assert type(handler).__name__ == "Handler"
assert conf["forwarded_allow_ips"] == conf["forwarder_headers"] == ""
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn runs on Unix")
@pytest.mark.parametrize("script", [FORK, READY, LOGGER], ids=["fork", "ready", "log"])
def test_its_settings_work(script: str, tmp_path: Path) -> None:
    """Signals wait while a worker starts; Ctrl-C stops as SIGTERM does; JSON only."""
    command = [sys.executable, "-c", START + script]
    arguments = [str(server.CONFIG), str(tmp_path / "link")]
    subprocess.run([*command, *arguments], check=True, timeout=30)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_it_gets_the_settings_of_the_application(
    log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many connections as threads; its workers keep to that number in a reload."""
    executed: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, words: executed.append(words))
    monkeypatch.setenv(f"{PREFIX}_THREADS", "5")
    with socket.socket() as listener:
        layers = load_layers({"ENV": "testing", "LOG_FORMAT": log_format})
        server.serve(listener, layers)
        assert listener.get_inheritable()
        bind = f"fd://{listener.fileno()}"
    (words,) = executed
    options = {word: words[number + 1] for number, word in enumerate(words[:-1])}
    assert options["--config"] == str(server.CONFIG)
    assert options["--bind"] == bind
    assert options["--threads"] == options["--worker-connections"] == "5"
    assert ("--logger-class" in options) == (log_format == "text")
    given = {"ENV": "testing", "LOG_FORMAT": log_format, "THREADS": 5}
    assert words[-1].endswith(f":create_app({given})")
