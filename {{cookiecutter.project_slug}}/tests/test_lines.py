"""Records become lines of JSON, and so does what other code prints."""

import io
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.__package }} import lines


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[io.TextIOBase]:
    """Have standard output lead to a file; whatever `capture` replaces is restored."""
    for name in ("stdout", "stderr", "excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    with (tmp_path / "output").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "__stdout__", file)
        yield file


def records(output: io.TextIOBase) -> list[dict[str, Any]]:
    """Return the records that have been written."""
    output.flush()
    output.seek(0)
    return [json.loads(line) for line in output]


def record(level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    """Return a record with fields of its own."""
    made: dict[str, object] = {"name": "a.logger", "levelno": level, "msg": "%s said"}
    made |= {"args": ("it",), "levelname": logging.getLevelName(level), "created": 1.5}
    return logging.makeLogRecord(made | extra)


def test_a_record_becomes_one_json_object() -> None:
    """The standard fields come first; those of `extra=` follow."""
    line = lines.JsonFormatter().format(record(user="ann", path=Path("/a")))
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "INFO",
        "logger": "a.logger",
        "message": "it said",
        "user": "ann",
        "path": "/a",
    }


def test_extra_fields_replace_no_standard_field_and_break_no_line() -> None:
    """A library may pass anything in `extra=`."""
    extra: dict[str, Any] = {"time": "mine", "level": "mine", "logger": "mine"}
    odd = {(1, 2): "skipped", "kept": 1}
    fields = json.loads(lines.JsonFormatter().format(record(**extra, odd=odd)))
    assert "mine" not in fields.values()
    assert fields["odd"] == {"kept": 1}


def test_the_stack_is_in_the_record_if_it_was_asked_for() -> None:
    """`stack_info=True` of the methods of a logger."""
    formatter = lines.JsonFormatter()
    fields = json.loads(formatter.format(record(stack_info="the stack")))
    assert fields["stack_info"] == "the stack"
    assert "stack_info" not in json.loads(formatter.format(record()))
    assert "exc_info" not in json.loads(formatter.format(record()))


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, "<3>"),
        (logging.ERROR, "<3>"),
        (logging.WARNING, "<4>"),
        (logging.INFO, "<6>"),
        (logging.DEBUG, "<7>"),
    ],
)
def test_each_line_in_the_journal_has_the_priority_of_its_level(
    level: int,
    priority: str,
    output: io.TextIOBase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The prefixes are those of sd-daemon(3); a traceback as text has several lines."""
    status = os.fstat(output.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    handler = lines.Handler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    text = handler.format(record(level, msg="one\ntwo", args=None))
    assert text == f"{priority}one\n{priority}two"


def test_what_has_no_descriptor_is_not_the_journal(
    output: io.TextIOBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a file, a stream that is closed, or one of another device."""
    assert lines.is_journal(io.StringIO()) is False
    monkeypatch.setenv("JOURNAL_STREAM", f"0:{os.fstat(output.fileno()).st_ino}")
    handler = lines.Handler()
    assert not handler.in_journal
    assert handler.format(record()).startswith("{")
    output.close()
    assert not lines.is_journal(handler.stream)


@pytest.mark.parametrize(
    ("error", "said"), [(BrokenPipeError(), []), (ValueError("wrong"), ["wrong", "%s"])]
)
def test_only_a_log_that_cannot_be_written_is_passed_over(
    error: Exception,
    said: list[str],
    output: io.TextIOBase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No traceback for each line when the reader of the log has gone."""
    reported = io.StringIO()
    monkeypatch.setattr(sys, "stderr", reported)
    handler = lines.Handler()
    try:
        raise error
    except (OSError, ValueError):
        handler.handleError(record())
    assert bool(reported.getvalue()) is bool(said)
    assert all(part in reported.getvalue() for part in said)
    assert records(output) == []


def test_a_line_is_written_when_it_is_complete(output: io.TextIOBase) -> None:
    """Blank lines are not; what is left follows when the stream is flushed."""
    stream = lines.Lines(lines.Handler(), "a.name", logging.WARNING)
    assert stream.writable()
    assert stream.fileno() == output.fileno()
    assert stream.write(b"one\n\n  \ntw") == 10
    assert [found["message"] for found in records(output)] == ["one"]
    stream.write(memoryview(b"o \nthree"))
    stream.flush()
    stream.flush()
    found = records(output)
    assert [one["message"] for one in found] == ["one", "two", "three"]
    assert {(one["logger"], one["level"]) for one in found} == {("a.name", "WARNING")}


def test_what_is_printed_is_a_record_at_once(output: io.TextIOBase) -> None:
    """A crash must not lose it in a buffer."""
    lines.capture()
    sys.stdout.write("h\xe4, \udcff\n")
    sys.stderr.write("wrong\n")
    expected = [("stdout", "INFO", "h\xe4, \\udcff"), ("stderr", "WARNING", "wrong")]
    found = [(one["logger"], one["level"], one["message"]) for one in records(output)]
    assert found == expected


def test_what_nothing_handles_is_a_record(output: io.TextIOBase) -> None:
    """Of the main thread, of other threads, and of what Python itself calls."""
    lines.capture()
    error = ValueError("its reason")
    sys.excepthook(ValueError, error, None)
    given = (ValueError, error, None, threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(given))
    threading.excepthook(threading.ExceptHookArgs((*given[:3], None)))
    leave = SystemExit()
    threading.excepthook(threading.ExceptHookArgs((SystemExit, leave, None, None)))
    found = records(output)
    name = threading.current_thread().name
    assert [one["message"] for one in found] == [
        "unhandled exception",
        f"unhandled exception in thread {name}",
        "unhandled exception in thread ?",
    ]
    reason = traceback.format_exception_only(error)[0].strip()
    assert all(one["exc_info"].endswith(reason) for one in found)
    assert {(o["logger"], o["level"]) for o in found} == {("uncaught", "CRITICAL")}


def test_an_exception_in_a_finalizer_is_a_record(output: io.TextIOBase) -> None:
    """Python can raise it nowhere."""

    class Broken:
        def __del__(self) -> None:
            message = "its reason"
            raise ValueError(message)

        def __repr__(self) -> str:
            return "broken"

    lines.capture()
    Broken()
    (found,) = records(output)
    assert found["message"].startswith("exception ignored in: ")
    assert "__del__" in found["message"]
    assert "its reason" in found["exc_info"]
