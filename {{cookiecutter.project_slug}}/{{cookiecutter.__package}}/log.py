"""Write log records to standard output: as text or as one JSON object a line."""

import logging

from flask import Flask, current_app, has_app_context

from .lines import Handler, JsonFormatter, time_of
from .proxy import current_request_id


class TextFormatter(logging.Formatter):
    """Format records for people."""

    def __init__(self) -> None:
        """Choose what a line holds."""
        super().__init__(
            "%(asctime)s %(levelname)-7s %(name)s: %(message)s [%(request_id)s]",
            defaults={"request_id": "-"},
        )

    def formatTime(  # noqa: N802
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002
    ) -> str:
        """Return the time as it is in JSON."""
        return time_of(record)


FORMATTERS: dict[str, logging.Formatter] = {
    "text": TextFormatter(),
    "json": JsonFormatter(),
}


class Formatter(logging.Formatter):
    """Format each record as the current application requires.

    The root logger is the process's own, while two applications in it may differ in
    LOG_FORMAT: so that is looked up for each record.
    """

    def __init__(self, fallback: str) -> None:
        """Take the format for records that are made outside of an application."""
        super().__init__()
        self.fallback = fallback

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, with the ID of the current request."""
        if request_id := current_request_id():
            record.request_id = request_id
        name = self.fallback
        if has_app_context():
            name = current_app.config["LOG_FORMAT"]
        return FORMATTERS[name].format(record)


def wanted(record: logging.LogRecord) -> bool:
    """Return whether the current application wants a record of this level."""
    if not has_app_context():
        return True
    level = current_app.config["LOG_LEVEL"]
    return record.levelno >= logging.getLevelNamesMapping()[level]


def init_app(app: Flask) -> None:
    """Send the process's log records to standard output.

    A process that has set up its logging already is left as it is.
    """
    root = logging.getLogger()
    level = logging.getLevelNamesMapping()[app.config["LOG_LEVEL"]]
    if not root.handlers:
        handler = Handler()
        handler.setFormatter(Formatter(app.config["LOG_FORMAT"]))
        handler.addFilter(wanted)
        root.addHandler(handler)
        root.setLevel(level)
        logging.captureWarnings(capture=True)
    elif any(isinstance(handler.formatter, Formatter) for handler in root.handlers):
        # Another application of this process came first, and may log less.
        root.setLevel(min(root.level, level))
