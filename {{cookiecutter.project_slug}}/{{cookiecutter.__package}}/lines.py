"""Write log records, and what other code prints, as lines of JSON.

The main processes of gunicorn and uWSGI load this file by its path. If they imported
the package, workers would inherit its modules and run old code after a reload.
"""

import io
import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

# What every record has; anything else was given by `extra=`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message"}


def time_of(record: logging.LogRecord) -> str:
    """Return the time of a record as RFC 3339 has it."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(
        timespec="milliseconds"
    )


class JsonFormatter(logging.Formatter):
    """Format each record as one JSON object, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        fields: dict[str, Any] = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        for name, value in vars(record).items():
            if name not in STANDARD:
                fields.setdefault(name, value)
        return json.dumps(fields, default=str, skipkeys=True)


class Handler(logging.StreamHandler[TextIO]):
    """Write records to standard output, with their priority if that is the journal."""

    def __init__(self) -> None:
        """Determine where standard output leads."""
        super().__init__(sys.__stdout__)
        self.in_journal = is_journal(self.stream)
        self.setFormatter(JsonFormatter())

    def format(self, record: logging.LogRecord) -> str:
        """Return the record; the journal takes the prefixes off: sd-daemon(3)."""
        text = super().format(record)
        if not self.in_journal:
            return text
        prefix = priority_of(record.levelno)
        return prefix + text.replace("\n", f"\n{prefix}")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report the error, unless it is that nothing can be written."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def is_journal(stream: TextIO) -> bool:
    """Return whether the journal reads a stream: JOURNAL_STREAM in systemd.exec(5)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def priority_of(level: int) -> str:
    """Return the prefix that stands for a level."""
    if level >= logging.ERROR:
        return "<3>"
    if level >= logging.WARNING:
        return "<4>"
    return "<6>" if level >= logging.INFO else "<7>"


class Lines(io.RawIOBase):
    """A binary stream that makes a record of each line."""

    def __init__(self, handler: Handler, name: str, level: int) -> None:
        """Name the handler of the records, their logger and their level."""
        self.handler, self.name, self.level = handler, name, level
        self.rest = b""
        self.lock = threading.RLock()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the handler's own stream."""
        return self.handler.stream.fileno()

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - whatever holds bytes
        """Write the lines that are complete, and keep the rest."""
        with self.lock:
            *lines, self.rest = (self.rest + bytes(data)).split(b"\n")
        for line in lines:
            self.say(line)
        return len(data)

    def flush(self) -> None:
        """Write the rest as a line."""
        with self.lock:
            rest, self.rest = self.rest, b""
        self.say(rest)

    def say(self, line: bytes) -> None:
        """Write one line, unless it is blank."""
        if text := line.decode(errors="backslashreplace").rstrip():
            self.handler.handle(
                logging.LogRecord(self.name, self.level, "", 0, text, None, None)
            )


def capture() -> Handler:
    """Make records of what is printed and of exceptions that nothing handles.

    What is written to the descriptors 1 and 2 without Python stays as it is.
    """
    handler = Handler()

    def report(error: BaseException | None, message: str) -> None:
        given = (type(error), error, error.__traceback__) if error else None
        level = logging.CRITICAL
        handler.handle(
            logging.LogRecord("uncaught", level, "", 0, message, None, given)
        )

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_type is not SystemExit:
            name = given.thread.name if given.thread else "?"
            report(given.exc_value, f"unhandled exception in thread {name}")

    sys.excepthook = lambda _type, error, _traceback: report(
        error, "unhandled exception"
    )
    threading.excepthook = in_thread
    sys.unraisablehook = lambda given: report(
        given.exc_value, f"{given.err_msg or 'exception ignored in'}: {given.object!r}"
    )
    for name, level in (("stdout", logging.INFO), ("stderr", logging.WARNING)):
        stream = io.BufferedWriter(Lines(handler, name, level))
        text = io.TextIOWrapper(
            stream, "utf-8", "backslashreplace", line_buffering=True
        )
        setattr(sys, name, text)
    return handler
