"""The factory creates applications that are independent of each other."""

import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, request, url_for
from werkzeug.test import Client

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import PREFIX, ConfigError, layout

PACKAGE = create_app.__module__

# Imports everything but the entry points, and checks the effects.
IMPORT = f"""
import builtins, logging, sys
import flask, click, werkzeug.middleware.proxy_fix
opened = []
def hook(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc")):
        if not isinstance(arguments[0], int) and ".dist-info" not in str(arguments[0]):
            opened.append(arguments[0])
handlers = list(logging.getLogger().handlers)
made = []
flask.Flask.__init__ = lambda self, *args, **kwargs: made.append(args)
import {PACKAGE}
sys.addaudithook(hook)
import {PACKAGE}.config, {PACKAGE}.health
assert not made, made
assert not opened, opened
assert logging.getLogger().handlers == handlers
assert "{PACKAGE}.wsgi" not in sys.modules
"""


def test_each_call_creates_an_application() -> None:
    """No application is shared."""
    assert create_app("testing") is not create_app("testing")


def test_the_instance_path_is_the_directory_to_write_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first of STATE_DIRECTORY; without one, Flask's own default."""
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert create_app("testing").instance_path == str(tmp_path / "a")
    monkeypatch.setenv("STATE_DIRECTORY", "relative")
    with pytest.raises(ConfigError, match=r"^STATE_DIRECTORY: must be .*'relative'"):
        create_app("testing")
    monkeypatch.delenv("STATE_DIRECTORY")
    usual = Flask(PACKAGE).instance_path
    assert create_app("testing").instance_path == usual


def test_a_mapping_with_testing_makes_an_application_for_tests() -> None:
    """The usual fixture passes just that."""
    assert create_app({"TESTING": True}).testing
    assert not create_app("development").testing


def test_importing_the_package_does_nothing() -> None:
    """Importing creates no application, opens no file and leaves logging alone."""
    subprocess.run([sys.executable, "-c", IMPORT], check=True, timeout=30)


def test_two_applications_in_one_process_keep_their_own_settings() -> None:
    """Neither sees the other's settings, context or extensions."""
    one = create_app({"TESTING": True, "ONLY_HERE": "1", "SECRET_KEY": "one"})
    two = create_app({"TESTING": True, "SECRET_KEY": "two"})
    one.extensions["readiness"]["broken"] = lambda: 1 / 0
    with one.test_request_context("/"), two.test_request_context("/"):
        assert "ONLY_HERE" not in two.config
        g.only_here = True
    assert one.secret_key != two.secret_key
    assert one.test_client().get("/readyz").status_code == 503
    assert "broken" not in two.test_client().get("/readyz").get_json()["checks"]


def test_a_packaged_table_is_not_shared_between_applications(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable changes an item of a table in its own application only."""
    packaged = layout.load_default() | {"TABLE": {"A": 1}}
    monkeypatch.setattr(layout, "load_default", lambda: packaged)
    monkeypatch.setenv(f"{PREFIX}_TABLE__A", "2")
    assert create_app("testing").config["TABLE"] == {"A": 2}
    monkeypatch.delenv(f"{PREFIX}_TABLE__A")
    assert create_app("testing").config["TABLE"] == {"A": 1}


def test_several_applications_are_mounted_side_by_side() -> None:
    """As in README.md: links have the prefix."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    example = readme.split("```python\nfrom werkzeug")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(f"from werkzeug{example}", names)  # noqa: S102 - our own README
    other = names["site"].mounts["/other"]
    other.add_url_rule("/link", view_func=lambda: url_for("health.healthz"))
    client = Client(names["site"])
    assert client.get("/healthz").status_code == HTTPStatus.OK
    assert client.get("/other/healthz").status_code == HTTPStatus.OK
    assert client.get("/other/link").text == "/other/healthz"


def test_forwarded_headers_count_only_behind_as_many_proxies_as_are_set() -> None:
    """By default no proxy is trusted, so that addresses cannot be forged."""
    assert address(create_app("testing")) == "127.0.0.1"
    assert address(create_app({"TESTING": True, "PROXY_HOPS": 1})) == "10.0.0.2"


def address(app: Flask) -> str:
    """Return the client address that a view sees when two were forwarded."""
    app.add_url_rule("/address", view_func=lambda: str(request.remote_addr))
    headers = {"X-Forwarded-For": "10.0.0.1, 10.0.0.2"}
    return app.test_client().get("/address", headers=headers).text
