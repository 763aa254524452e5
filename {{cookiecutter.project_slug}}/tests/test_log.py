"""Log records: as text or as JSON, with the id of the request."""

import json
import logging
import subprocess
import sys

import pytest
from flask import Flask

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.log import Formatter, wanted

# A process of its own: pytest has set up this one's logging.
CRASH = """
import logging, sys
from {{ cookiecutter.__package }} import create_app
app = create_app(dict(ENV=sys.argv[1], SECRET_KEY="of this test"))
app.add_url_rule("/crash", view_func=lambda: 1 // 0)
logging.getLogger("some.library").debug("noise")
headers = dict([("X-Request-ID", "id-of-the-request")])
app.test_client().get("/crash", headers=headers, base_url="http://localhost")
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
    assert crash["time"]
    assert crash["logger"] == create_app.__module__
    assert outside["message"] == "outside"
    assert outside["logger"] == "some.library"


def test_development_logs_text() -> None:
    """For people, down to DEBUG, with the request id, too."""
    output = output_of("development")
    assert "ERROR" in output
    assert "[id-of-the-request]" in output
    assert "noise" in output


def record(level: int) -> logging.LogRecord:
    """Return a record of that level."""
    return logging.LogRecord("x", level, "file", 1, "the message", None, None)


def test_two_applications_log_in_their_own_way() -> None:
    """The format and the level are those of the application at work."""
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
    """The process lets through what the loudest wants."""
    command = [sys.executable, "-c", TWO]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=30
    ).stdout
    assert "loud" in output
    assert "quiet" not in output


def test_a_line_break_in_a_message_stays_one_json_line(app: Flask) -> None:
    """Nobody forges a record."""
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
