"""The layers of the settings: each wins over those before it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, helpers
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskCliRunner
from itsdangerous import URLSafeTimedSerializer

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import (
    ENVIRONMENTS,
    PREFIX,
    ConfigError,
    get_debug_flag,
    layout,
    load_layers,
)

Write = Callable[..., Path]


def test_the_layers_win_in_their_order(
    monkeypatch: pytest.MonkeyPatch, settings_file: Write
) -> None:
    """Default, environment, settings file, variables, mapping."""
    default = layout.load_default() | {"LAYER": "default"}
    development = layout.load_environment("development") | {"LAYER": "development"}
    packaged = {"development": development}
    monkeypatch.setattr(layout, "load_default", lambda: default)
    monkeypatch.setattr(layout, "load_environment", lambda name: packaged.get(name, {}))
    assert create_app("testing").config["LAYER"] == "default"
    assert create_app("development").config["LAYER"] == "development"

    monkeypatch.setenv(f"{PREFIX}_ENV", "development")
    monkeypatch.setenv(f"{PREFIX}_CFG", str(settings_file(LAYER="file")))
    assert create_app().config["LAYER"] == "file"

    monkeypatch.setenv(f"{PREFIX}_LAYER", "variable")
    assert create_app().config["LAYER"] == "variable"

    assert create_app({"LAYER": "mapping"}).config["LAYER"] == "mapping"


def test_without_an_argument_or_a_variable_it_is_production(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A forgotten variable must not start the debugger on a server."""
    monkeypatch.setenv(f"{PREFIX}_SECRET_KEY", "of this test, and long enough")
    assert create_app().config["ENV"] == "production"


def test_an_argument_beats_the_variable_that_says_the_same(
    monkeypatch: pytest.MonkeyPatch, settings_file: Write
) -> None:
    """ENV and CFG in the argument, or what stands for them, win."""
    monkeypatch.setenv(f"{PREFIX}_ENV", "production")
    monkeypatch.setenv(f"{PREFIX}_CFG", "/nowhere")
    path = settings_file(GREETING="hello", SECRET_KEY="of this test")
    assert create_app(path).config["ENV"] == "production"
    none = create_app({"ENV": "testing", "CFG": None})
    assert none.config["ENV"] == "testing"
    assert none.config["CFG"] is None
    monkeypatch.delenv(f"{PREFIX}_CFG")
    assert create_app("testing").config["ENV"] == "testing"
    assert create_app({"TESTING": True}).config["ENV"] == "testing"
    both = create_app({"ENV": "development", "CFG": path})
    assert both.config["ENV"] == "development"
    assert both.config["GREETING"] == "hello"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_a_settings_file_relative_to_the_working_directory(
    kind: Callable[[str], str | Path],
    monkeypatch: pytest.MonkeyPatch,
    settings_file: Write,
) -> None:
    """A text and a Path mean the same."""
    monkeypatch.setenv(f"{PREFIX}_ENV", "testing")
    name = settings_file(GREETING="hello").name
    assert create_app(kind(name)).config["GREETING"] == "hello"


def test_loaded_settings_are_not_loaded_again(
    monkeypatch: pytest.MonkeyPatch, settings_file: Write
) -> None:
    """The command loads them; a server in the same process takes them."""
    path = settings_file(GREETING="hello")
    layers = load_layers({"ENV": "testing", "CFG": path})
    layers.give({"GREETING": "hi"})
    path.unlink()
    monkeypatch.setenv(f"{PREFIX}_GREETING", "later")
    app = create_app(layers)
    assert app.config["GREETING"] == "hi"
    assert app.extensions["config_layers"]["GREETING"] == "create_app"
    assert app.extensions["config_layers"]["SERVER_NAME"] == "Flask"
    assert layers.given == {"ENV": "testing", "CFG": path, "GREETING": "hi"}


def test_threads_that_the_server_does_not_have_get_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reload cannot change their number; everything else takes the server's."""
    monkeypatch.setenv(f"{PREFIX}_THREADS", "4")
    assert load_layers("testing").warnings == []
    layers = load_layers({"ENV": "testing", "THREADS": 8})
    assert layers.config["THREADS"] == 8
    [warning] = layers.warnings
    assert warning == (
        f"THREADS (variable {PREFIX}_THREADS): 4 has no effect until the server is "
        "restarted; it was started with 8"
    )


@pytest.mark.parametrize("text", [None, "", "0", "1", "False", "no", "true", "NO"])
def test_flask_debug_means_what_it_means_to_flask(
    text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read without Flask, which is slow to import."""
    if text is not None:
        monkeypatch.setenv("FLASK_DEBUG", text)
    assert get_debug_flag() is helpers.get_debug_flag()


def test_variables_reach_into_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """`__` stands before an item, as in Flask; the item keeps its type."""
    monkeypatch.setenv(f"{PREFIX}_EXAMPLE", '{"pool": 1, "name": "a"}')
    monkeypatch.setenv(f"{PREFIX}_EXAMPLE__pool", "2")
    config = create_app("testing").config
    assert config["EXAMPLE"] == {"pool": 2, "name": "a"}


@pytest.mark.parametrize("name", ["prodution", ""])
def test_a_name_that_means_nothing_names_both_readings(name: str) -> None:
    """A misspelt environment is not taken for a file, nor the other way round."""
    with pytest.raises(ConfigError) as error:
        create_app(name)
    message = str(error.value)
    assert repr(name) in message
    assert "environment" in message
    assert "settings file" in message
    assert all(name in message for name in ENVIRONMENTS)
    assert "\n" not in message


def test_an_unknown_environment_in_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message names the variable, its value and the valid ones."""
    monkeypatch.setenv(f"{PREFIX}_ENV", "prod")
    with pytest.raises(ConfigError, match=rf"{PREFIX}_ENV: .* 'prod'; .*production"):
        create_app()


def make_broken(path: Path) -> None:
    """Write a file with a mistake in its second line."""
    prefix = f"{PREFIX}_" if layout.TEXT else ""
    path.write_text(f"{prefix}A = 1\n{prefix}B + 1 =\n")


def make_loop(path: Path) -> None:
    """Make a file that cannot be opened, not even by root."""
    path.symlink_to(path)


def make_binary(path: Path) -> None:
    """Write what is not UTF-8."""
    path.write_bytes(b"A = '\xff\x00'\n")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path, "No such file"),
        (make_broken, "line 2"),
        (make_binary, "Error: "),
        (make_loop, "symbolic links"),
        (Path.mkdir, "not a regular file"),
    ],
    ids=["missing", "broken", "binary", "unreadable", "directory"],
)
def test_a_settings_file_that_cannot_be_used_gets_one_line(
    make: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    """The line names the file and the problem, and there is no application."""
    path = tmp_path / f"bad{layout.ENDING}"
    make(path)
    with pytest.raises(ConfigError) as error:
        create_app(path)
    message = str(error.value)
    assert str(path) in message
    assert problem in message
    assert "\n" not in message


def test_what_a_settings_file_cannot_say_gets_one_line(settings_file: Write) -> None:
    """It cannot choose layers, nor set an item of what is no table."""
    for name in ("ENV", "CFG"):
        with pytest.raises(ConfigError, match=f"{name} chooses layers"):
            create_app(settings_file(**{name: "testing"}))
    with pytest.raises(ConfigError, match="LOG_LEVEL must be a table"):
        create_app(settings_file(LOG_LEVEL__X="1"))


def test_a_settings_file_of_another_kind_gets_one_line(tmp_path: Path) -> None:
    """A file in another format is not read as if it were in this one."""
    path = tmp_path / "settings.yaml"
    path.write_text("A: 1\n")
    with pytest.raises(ConfigError, match=rf"settings\.yaml: .*\{layout.ENDING}"):
        create_app(path)


@pytest.mark.parametrize("key", ["", "dev", "Change_Me", " testing ", "null"])
def test_production_refuses_a_missing_or_guessable_secret_key(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line explains how to set a good one."""
    with pytest.raises(ConfigError, match=r"SECRET_KEY: must be set .*token_hex"):
        create_app("production")
    monkeypatch.setenv(f"{PREFIX}_SECRET_KEY", key)
    with pytest.raises(ConfigError, match=r"SECRET_KEY.*secrets\.token_hex"):
        create_app("production")


@pytest.mark.parametrize("environment", ["development", "testing"])
def test_other_environments_need_no_secret_key(environment: str) -> None:
    """A clone runs at once."""
    assert create_app(environment).secret_key


def test_production_is_safe_by_default(production: Flask) -> None:
    """Secure cookies with HTTPS, known hosts only, no debugger, no trusted proxy."""
    config = production.config
    https = config["PREFERRED_URL_SCHEME"] == "https"
    assert config["SESSION_COOKIE_SECURE"] is https
    assert config["SESSION_COOKIE_HTTPONLY"]
    assert config["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert config["TRUSTED_HOSTS"]
    assert config["PROXY_HOPS"] == 0
    assert not config["DEBUG"]
    assert not config["TESTING"]


@pytest.mark.parametrize("way", ["variable", "file", "mapping"])
def test_an_old_secret_key_stays_usable(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sessions that were signed with a key in SECRET_KEY_FALLBACKS are read."""
    config: dict[str, object] = {"TESTING": True, "SECRET_KEY": "new"}
    if way == "variable":
        monkeypatch.setenv(f"{PREFIX}_SECRET_KEY_FALLBACKS", '["old"]')
    elif way == "file":
        prefix = f"{PREFIX}_" if layout.TEXT else ""
        config["CFG"] = tmp_path / f"settings{layout.ENDING}"
        line = f'{prefix}SECRET_KEY_FALLBACKS = ["old"]\n'
        (tmp_path / f"settings{layout.ENDING}").write_text(line)
    else:
        config["SECRET_KEY_FALLBACKS"] = ["old"]
    new = create_app(config)
    for key, is_read in (("old", True), ("o", False)):
        signer = sessions(create_app({"TESTING": True, "SECRET_KEY": key}))
        readable, _ = sessions(new).loads_unsafe(signer.dumps("me"))
        assert readable is is_read


def test_production_refuses_a_guessable_old_key() -> None:
    """A session that is signed with it would be accepted."""
    key = "of this test, and long enough"
    config = {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": ["dev"]}
    with pytest.raises(ConfigError, match=r"SECRET_KEY_FALLBACKS.* placeholder"):
        create_app(config | {"ENV": "production"})


def sessions(app: Flask) -> URLSafeTimedSerializer:
    """Return what signs and reads the application's session cookies."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return serializer


def test_the_config_command_shows_values_and_layers(
    monkeypatch: pytest.MonkeyPatch, settings_file: Write
) -> None:
    """Every setting, where it came from, and no secret."""
    path = settings_file(GREETING="hello", API_TOKEN="hidden-1")
    monkeypatch.setenv(f"{PREFIX}_SECRET_KEY", "hidden-2")
    monkeypatch.setenv(f"{PREFIX}_DB", '{"url": "pg://me:hidden-3@db/x", "port": 1}')
    hosts = ("pg://me:hidden@4@db/x?token=hidden", 1)
    given = {"ENV": "testing", "CFG": path, "ADDED": True, "HOSTS": hosts}
    app = create_app(given | {"NESTED": {"db_pass": "hidden"}})
    app.config["LATER"] = 1
    output = FlaskCliRunner(app).invoke(args=["config"]).output
    lines = {line.split()[0]: line for line in output.splitlines()}
    assert set(lines) == set(app.config)
    assert "hidden" not in output
    assert f"'hello'  (file {path})" in lines["GREETING"]
    assert f"'***'  (variable {PREFIX}_SECRET_KEY)" in lines["SECRET_KEY"]
    assert "pg://me:***@db/x" in lines["DB"]
    assert lines["ADDED"].endswith("True  (create_app)")
    assert lines["HOSTS"].endswith("['pg://me:***@db/x?token=***', 1]  (create_app)")
    assert lines["TESTING"].endswith("True  (testing)")
    limit = app.config["MAX_CONTENT_LENGTH"]
    assert lines["MAX_CONTENT_LENGTH"].endswith(f"{limit}  (default)")
    assert lines["MAX_COOKIE_SIZE"].endswith("(Flask)")
    assert lines["LATER"].endswith("1  (set in code)")


def test_flask_shows_a_mistake_in_the_settings_as_one_line() -> None:
    """No traceback for a missing SECRET_KEY."""
    package = create_app.__module__
    command = [sys.executable, "-m", "flask", "--app", package, "config"]
    result = subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=30
    )
    assert result.returncode == 2
    assert result.stderr.startswith("Error: SECRET_KEY: must be set in production")
    assert len(result.stderr.splitlines()) == 1
