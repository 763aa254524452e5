"""Log records: as text or as JSON, with time, level and the ID of the request."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from flask import Flask

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.__main__ import NAME
from {{ cookiecutter.__package }}.log import Formatter, wanted

# A process of its own: pytest has set up this one's logging.
CRASH = """
import logging, sys
from {{ cookiecutter.__package }} import create_app
level = dict(production="INFO", development="DEBUG")[sys.argv[1]]
app = create_app(
    dict(ENV=sys.argv[1], SECRET_KEY="x" * 20, LOG_LEVEL=level, TRUSTED_HOSTS=None)
)
app.add_url_rule("/crash", view_func=lambda: 1 // 0)
logging.getLogger("some.library").debug("noise")
headers = dict([("X-Request-ID", "id-of-the-request")])
app.test_client().get("/crash", headers=headers)
logging.getLogger("some.library").warning("outside")
"""


def output_of(environment: str) -> str:
    """Return what a process prints when a view crashes."""
    command = [sys.executable, "-c", CRASH, environment]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=30
    ).stdout


def test_production_logs_one_json_object_a_line() -> None:
    """With time, level, logger, request id and the whole traceback."""
    records = [json.loads(line) for line in output_of("production").splitlines()]
    crash, outside = records
    assert crash["level"] == "ERROR"
    assert crash["request_id"] == "id-of-the-request"
    assert "/crash" in crash["message"]
    assert "ZeroDivisionError" in crash["exc_info"]
    assert crash["logger"] == create_app.__module__
    assert outside["message"] == "outside"
    assert outside["logger"] == "some.library"
    assert "request_id" not in outside


def test_development_logs_text() -> None:
    """For people, down to DEBUG, with the request id, too."""
    output = output_of("development")
    assert "ERROR" in output
    assert "[id-of-the-request]" in output
    assert "noise" in output


@pytest.mark.parametrize("environment", ["production", "development"])
def test_times_have_an_offset(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 3339, in any time zone."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    times = re.findall(pattern, output_of(environment))
    assert times
    age = datetime.now(UTC) - datetime.fromisoformat(times[-1])
    assert abs(age) < timedelta(minutes=1)


PRINT = """
import sys, threading, warnings
from {{ cookiecutter.__package }} import create_app, lines
lines.capture()
create_app(dict(ENV="production", SECRET_KEY="of this test", LOG_LEVEL="INFO"))
print("one\\ntwo")
print("three", file=sys.stderr)
sys.stdout.buffer.write(b"four \\xff\\n")
sys.stdout.flush()
warnings.warn("five")
thread = threading.Thread(target=lambda: 6 // 0)
thread.start()
thread.join()
print("seven", end="")
raise RuntimeError("eight")
"""


def test_what_is_printed_and_what_nothing_handles_becomes_json(
    tmp_path: Path,
) -> None:
    """On a server, libraries that print, warn or fail do not break the log."""
    command = [sys.executable, "-c", PRINT]
    records = journal_of(tmp_path / "log", command)
    messages = [record["message"] for record in records]
    assert messages[:4] == ["one", "two", "three", "four \\xff"], str(records)
    assert "UserWarning: five" in messages[4]
    assert "seven" in messages
    exceptions = [record["exc_info"] for record in records if "exc_info" in record]
    assert "ZeroDivisionError" in exceptions[0]
    assert "RuntimeError: eight" in exceptions[1]
    levels = {"stdout": "INFO", "stderr": "WARNING", "uncaught": "CRITICAL"}
    for record in records:
        assert record["level"] == levels.get(record["logger"], "WARNING")


# Whether there are faults is not of interest here.
CHECK = """
from {{ cookiecutter.__package }} import __main__, check
check.faults = lambda *_: []
__main__.main()
"""


def test_messages_of_the_command_are_json_in_the_journal(tmp_path: Path) -> None:
    """Those of `--check`, and the reasons why it does not start."""
    command = [sys.executable, "-c", CHECK]
    (record,) = journal_of(tmp_path / "one", [*command, "--env=testing", "--check"])
    assert record["level"] == "INFO"
    assert record["message"].startswith("would start")
    assert record["logger"] == NAME
    (record,) = journal_of(tmp_path / "two", [*command, "--env=production"])
    assert record["level"] == "ERROR"
    assert "SECRET_KEY" in record["message"]


def journal_of(path: Path, command: list[str]) -> list[dict[str, Any]]:
    """Run a command as if the journal took its output; return the records."""
    with path.open("wb") as log:
        subprocess.run(
            command,
            check=False,
            env=with_journal(log),
            stderr=log,
            stdout=log,
            timeout=30,
        )
    return records_of(path)


def with_journal(log: BinaryIO) -> dict[str, str]:
    """Return an environment in which a file is the journal: systemd.exec(5)."""
    status = os.fstat(log.fileno())
    return {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def records_of(path: Path) -> list[dict[str, Any]]:
    """Return the records in a file; each line has a priority that fits its level."""
    priorities = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 3}
    records = []
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        assert re.match(r"<[0-7]>\{", line), text
        record = json.loads(line[3:])
        assert int(line[1]) == priorities[record["level"]], line
        assert datetime.fromisoformat(record["time"]).tzinfo, line
        records.append(record)
    return records


def test_lines_have_a_priority_in_the_journal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`journalctl --priority=err` shows errors; a terminal shows no prefixes."""
    command = [sys.executable, "-c", CRASH, "production"]
    levels = [record["level"] for record in journal_of(tmp_path / "log", command)]
    assert levels == ["ERROR", "WARNING"]
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert output_of("production").startswith("{")


# The installed command, beside the interpreter; see sd_listen_fds(3).
COMMAND = """
import os, sys
from {{ cookiecutter.__package }}.__main__ import main
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
arguments = sys.argv[1:]
sys.argv = [sys.executable, *sys.orig_argv[1:]]
main(arguments)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="systemd runs on Linux")
def test_the_server_writes_json_only(settings_file: Callable[..., Path]) -> None:
    """At start, when a worker is killed, at a reload, and when it stops.

    So it does if systemd cannot be told that it is ready.
    """
    settings = settings_file(SECRET_KEY="of this test", LOG_LEVEL="INFO")
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as s:
        log, address = Path(name, "log"), f"{name}/socket"
        s.bind(address)
        s.listen()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *("/bin/sh", "-c", 'exec "$@" 3<&0 0</dev/null', "sh"),
                    *(sys.executable, "-c", COMMAND, "--settings", str(settings)),
                ],
                env={**with_journal(output), "NOTIFY_SOCKET": f"{name}/none"},
                start_new_session=True,
                stdin=s.fileno(),
                stdout=output,
                stderr=output,
            )
        try:
            assert is_closed(address)
            if killed := min(workers(process.pid), default=None):
                wait_for(lambda: is_quiet(log))
                os.kill(killed, signal.SIGKILL)
                wait_for(lambda: killed not in workers(process.pid))
            wait_for(lambda: is_quiet(log))  # its successor has started
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: is_quiet(log))
            assert is_closed(address)
            process.terminate()
            assert process.wait(timeout=20) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)
            sys.stdout.write(log.read_text(encoding="utf-8"))  # shown after a failure
        levels = {record["level"] for record in records_of(log)}
        assert levels & {"WARNING", "ERROR"}


def is_closed(address: str) -> bool:
    """Send what is no request; wait until the server closes the connection."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(address)
        client.sendall(bytes(4) + b"\r\n\r\n")
        while client.recv(1000):
            pass
    return True


def is_quiet(log: Path) -> bool:
    """Return whether nothing is written for a while."""
    size = log.stat().st_size
    time.sleep(0.5)
    return log.stat().st_size == size


def workers(pid: int) -> set[int]:
    """Return the children of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return set(map(int, children.split()))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def record(level: int) -> logging.LogRecord:
    """Return a record of that level."""
    return logging.LogRecord("x", level, "file", 1, "the message", None, None)


def test_two_applications_log_in_their_own_way() -> None:
    """The format and the level are those of the current application."""
    loud = create_app({"TESTING": True, "LOG_FORMAT": "text", "LOG_LEVEL": "DEBUG"})
    quiet = create_app({"TESTING": True, "LOG_FORMAT": "json", "LOG_LEVEL": "ERROR"})
    formatter = Formatter("text")
    with loud.app_context():
        assert not formatter.format(record(logging.INFO)).startswith("{")
        assert wanted(record(logging.DEBUG))
    with quiet.app_context():
        assert json.loads(formatter.format(record(logging.INFO)))["level"] == "INFO"
        assert not wanted(record(logging.WARNING))
    assert "the message" in formatter.format(record(logging.INFO))


TWO = """
import logging
from {{ cookiecutter.__package }} import create_app
quiet = create_app(dict(TESTING=True, LOG_LEVEL="WARNING"))
loud = create_app(dict(TESTING=True, LOG_LEVEL="DEBUG"))
with quiet.app_context():
    logging.getLogger("library").info("quiet")
with loud.app_context():
    logging.getLogger("library").debug("loud")
"""


def test_a_second_application_may_log_more_than_the_first() -> None:
    """The process logs at the lowest level of its applications."""
    command = [sys.executable, "-c", TWO]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=30
    ).stdout
    assert "loud" in output
    assert "quiet" not in output


def test_a_line_break_in_a_message_stays_one_json_line(app: Flask) -> None:
    """A message cannot forge a record."""
    app.config["LOG_FORMAT"] = "json"
    forged = record(logging.INFO)
    forged.msg = 'a\n{"level": "forged"}'
    with app.app_context():
        line = Formatter("json").format(forged)
    assert "\n" not in line
    assert json.loads(line)["message"] == forged.msg


def test_the_tests_see_what_is_logged(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """Pytest's own fixture works."""
    app.logger.warning("seen")
    assert "seen" in caplog.text


def test_text_has_time_level_logger_message_and_request_id(app: Flask) -> None:
    """Without a request, a hyphen stands for its ID."""
    one, two = record(logging.INFO), record(logging.INFO)
    one.created = two.created = 1.5
    formatter = Formatter("text")
    start = "1970-01-01T00:00:01.500+00:00 INFO    x: the message"
    assert formatter.format(one) == f"{start} [-]"
    app.config["LOG_FORMAT"] = "text"
    with app.test_request_context(headers={"X-Request-ID": "id-of-the-request"}):
        assert formatter.format(two) == f"{start} [id-of-the-request]"


def test_a_process_without_logging_gets_it_at_the_lowest_level_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first application sets it up, the others only lower the level."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    captured: list[bool] = []
    monkeypatch.setattr(
        logging, "captureWarnings", lambda *, capture: captured.append(capture)
    )
    levels = []
    for level in ("WARNING", "DEBUG", "ERROR"):
        create_app({"TESTING": True, "LOG_FORMAT": "text", "LOG_LEVEL": level})
        levels.append(root.level)
    assert levels == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    (handler,) = root.handlers
    assert handler.format(record(logging.INFO)).endswith("x: the message [-]")
    assert handler.filters == [wanted]
    assert captured == [True]


def test_a_process_that_logs_already_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The logging of the program that mounts the application stays."""
    root = logging.getLogger()
    own = logging.NullHandler()
    monkeypatch.setattr(root, "handlers", [own])
    monkeypatch.setattr(root, "level", logging.ERROR)
    create_app({"TESTING": True, "LOG_LEVEL": "DEBUG"})
    assert root.handlers == [own]
    assert root.level == logging.ERROR
