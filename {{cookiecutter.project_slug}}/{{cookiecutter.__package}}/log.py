"""Write log records to standard output: as text or as one JSON object a line."""

import logging
import sys

from flask import Flask, current_app, has_app_context
from pythonjsonlogger.json import JsonFormatter

from .proxy import current_request_id

FORMATTERS: dict[str, logging.Formatter] = {
    "text": logging.Formatter(
        "%(asctime)s %(levelname)-7s %(name)s: %(message)s [%(request_id)s]",
    ),
    "json": JsonFormatter(
        ["asctime", "levelname", "name", "message", "request_id"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
    ),
}


class Formatter(logging.Formatter):
    """Format each record as the application at work asks for.

    The root logger is the process's own, while two applications in it may differ in
    LOG_FORMAT: so that is looked up for each record.
    """

    def __init__(self, fallback: str) -> None:
        """Take the format for records that are made outside of an application."""
        super().__init__()
        self.fallback = fallback

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, with the id of the request at work."""
        record.request_id = current_request_id() or "-"
        name = self.fallback
        if has_app_context():
            name = current_app.config["LOG_FORMAT"]
        return FORMATTERS[name].format(record)


def wanted(record: logging.LogRecord) -> bool:
    """Tell whether the application at work wants a record of this level."""
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
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(Formatter(app.config["LOG_FORMAT"]))
        handler.addFilter(wanted)
        root.addHandler(handler)
        root.setLevel(level)
        logging.captureWarnings(capture=True)
    elif any(isinstance(handler.formatter, Formatter) for handler in root.handlers):
        # Another application of this process came first, and may log less.
        root.setLevel(min(root.level, level))
