"""Every setting is checked at start, by its type, in every layer."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask import Config, Flask

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import (
    PREFIX,
    ConfigError,
    Source,
    layout,
    load_config,
)
from {{ cookiecutter.__package }}.config.checks import SETTINGS
from {{ cookiecutter.__package }}.config.kinds import CENTURY

Write = Callable[..., Path]
Variables = Callable[..., None]

SWITCHES = [
    "EXPLAIN_TEMPLATE_LOADING",
    "PROVIDE_AUTOMATIC_OPTIONS",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_PARTITIONED",
    "SESSION_COOKIE_SECURE",
    "SESSION_REFRESH_EACH_REQUEST",
    "TESTING",
    "TRAP_HTTP_EXCEPTIONS",
    "USE_X_SENDFILE",
    "DEBUG",
]
MAYBE_SWITCHES = [
    "PROPAGATE_EXCEPTIONS",
    "TEMPLATES_AUTO_RELOAD",
    "TRAP_BAD_REQUEST_ERRORS",
]
MAYBE_COUNTS = ["MAX_CONTENT_LENGTH", "MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS"]
NO_SWITCH = ["no", "off", "on", "yes", "2", "-1", "", "truee", "null"]
NO_COUNT = ["-1", "16M", "1.5", "1e3", "many", "", "0x10", "9" * 5000, "NaN", "true"]
NO_HOSTS = [
    *("a,b", "a b", "a", "", "*", "{}", "[]", '["a", ""]', '["a", 1]', '"a"'),
    *('["*.example.net"]', '["http://example.net"]', '["example.net/"]', '["a..b"]'),
    *('["Example.net"]', '["example.net."]', '["[::1"]', '["::1"]', '["[0::1]"]'),
]
NO_PORTS = ['["a:0"]', '["a:65536"]', '["[::1]:80"]', '[".[::1]"]', '["."]']
NO_SECRETS = ["old-key", "", '["a", ""]', '["a", " "]', '["a", 1]', '{"a": "b"}']
NO_DURATION = ["1 day", "-1", "3600.5", "P1D", str(CENTURY + 1), "inf", "", "true"]

# What a text stands for, if it is valid; and texts that are not.
TRUE = dict.fromkeys(("true", "TRUE", "1"), True)
SWITCH = TRUE | dict.fromkeys(("false", "False", "0"), False)
COUNT: dict[str, object] = {"0": 0, "1048576": 1048576}
NONE: dict[str, object] = {"null": None}
VALID: dict[str, dict[str, object]] = {
    "APPLICATION_ROOT": {"/app": "/app"},
    "LOG_FORMAT": {"json": "json"},
    "LOG_LEVEL": {"ERROR": "ERROR"},
    "MAX_COOKIE_SIZE": COUNT,
    "PERMANENT_SESSION_LIFETIME": {"3600": 3600},
    "PREFERRED_URL_SCHEME": {"https": "https"},
    "PROXY_HOPS": COUNT,
    "THREADS": {"1": 1, "100": 100},
    # A string stays a string, even if it looks like another type.
    "SECRET_KEY": {
        text: text
        for text in ("0815", "4711", "1e400", "NaN", "true", "null", '"x"', "[1]", "{}")
    },
    "SECRET_KEY_FALLBACKS": {'["a", "b"]': ["a", "b"], "[]": [], **NONE},
    "SEND_FILE_MAX_AGE_DEFAULT": {**COUNT, **NONE},
    "SERVER_NAME": {"www.Example.net:80": "www.Example.net:80", **NONE},
    "SESSION_COOKIE_DOMAIN": {".example.net": ".example.net", **NONE},
    "SESSION_COOKIE_NAME": {"__Host-id": "__Host-id"},
    "SESSION_COOKIE_PATH": {"/app": "/app", **NONE},
    "SESSION_COOKIE_SAMESITE": {"Strict": "Strict", "None": "None", **NONE},
    "TRUSTED_HOSTS": {
        '["a.b", ".c", "[::1]"]': ["a.b", ".c", "[::1]"],
        '["m\\u00fcnchen.example:80"]': ["m\u00fcnchen.example:80"],
        **NONE,
    },
    **{name: {**SWITCH} for name in SWITCHES},
    **{name: {**SWITCH, **NONE} for name in MAYBE_SWITCHES},
    **{name: {**COUNT, **NONE} for name in MAYBE_COUNTS},
}
INVALID: dict[str, list[str]] = {
    "APPLICATION_ROOT": ["app", "", "https://example.net/", "/a\nb"],
    "LOG_FORMAT": ["xml", "", "JSON"],
    "LOG_LEVEL": ["noisy", "", "20"],
    "MAX_COOKIE_SIZE": [*NO_COUNT, "4k", "null"],
    "PERMANENT_SESSION_LIFETIME": [*NO_DURATION, "0", "null"],
    "PREFERRED_URL_SCHEME": ["ftp", "", "https://"],
    "PROXY_HOPS": [*NO_COUNT, "two", "null"],
    "THREADS": [*NO_COUNT, "0", "101", "1000000", "many", "null"],
    "SECRET_KEY_FALLBACKS": NO_SECRETS,
    "SEND_FILE_MAX_AGE_DEFAULT": [*NO_DURATION, "10 minutes"],
    "SERVER_NAME": ["https://a.b", "a b", "", "a/b", "a:b", "a:65536", "[::1"],
    "SESSION_COOKIE_DOMAIN": ["https://example.net", "a b", "", "a;b", "a:80", "[::1]"],
    "SESSION_COOKIE_NAME": ["", "a b", "a;b", "a=b"],
    "SESSION_COOKIE_PATH": ["app", "", "/a b", "//app"],
    "SESSION_COOKIE_SAMESITE": ["sometimes", "", "lax;", "true"],
    "TRUSTED_HOSTS": NO_HOSTS + NO_PORTS,
    **dict.fromkeys(SWITCHES, NO_SWITCH),
    **dict.fromkeys(MAYBE_SWITCHES, NO_SWITCH[:-1]),
    **dict.fromkeys(MAYBE_COUNTS, NO_COUNT),
}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """Return a function that sets variables with the prefix."""

    def set_variables(**texts: str) -> None:
        for name, text in texts.items():
            if not text.isascii() and sys.getfilesystemencoding() != "utf-8":
                pytest.skip("the locale cannot encode the variable")
            monkeypatch.setenv(f"{PREFIX}_{name}", text)

    return set_variables


def load(source: Source) -> Config:
    """Return the settings of an application."""
    app = Flask(create_app.__module__)
    load_config(app, source)
    return app.config


def line_of(source: Source) -> str:
    """Return the message of ConfigError: one line."""
    with pytest.raises(ConfigError) as error:
        load(source)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


def test_every_setting_of_flask_has_a_type() -> None:
    """A new release of Flask may bring one that `config/checks.py` lacks."""
    assert set(Flask.default_config) - set(SETTINGS) == set()


def test_flasks_own_defaults_are_valid() -> None:
    """No setting has to be set only because it is checked."""
    config = Flask(__name__).config
    assert [n for n in config if not SETTINGS[n].accepts(config[n])] == []


@pytest.mark.parametrize("name", VALID)
def test_the_type_decides_what_the_text_of_a_variable_means(
    name: str, variables: Variables
) -> None:
    """The look of the text does not."""
    for text, value in VALID[name].items():
        variables(**{name: text})
        read = load("testing")[name]
        assert read == value, text
        assert type(read) is type(value), text


@pytest.mark.parametrize("name", VALID)
def test_a_settings_file_holds_what_a_variable_can_say(
    name: str, tmp_path: Path
) -> None:
    """In the notation of its format, or as a text."""
    path = tmp_path / f"settings{layout.ENDING}"
    write: Callable[[object], str] = {".toml": json.dumps}.get(layout.ENDING, repr)
    for text, value in VALID[name].items():
        if value is None:  # TOML has no notation for it
            continue
        line = f"{name} = {write(value)}\n"
        if layout.TEXT:
            line = f"{PREFIX}_{name}='{text}'\n"
        path.write_text(line, encoding="utf-8")
        read = load({"ENV": "testing", "CFG": path})[name]
        assert read == value, text
        assert type(read) is type(value), text


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_variable_is_refused_at_start(
    name: str, variables: Variables
) -> None:
    """One line: the name, the layer, what is valid."""
    for text in INVALID[name]:
        variables(**{name: text})
        line = line_of("testing")
        assert line.startswith(f"{name} (variable {PREFIX}_{name}): must be "), text


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_setting_in_a_file_is_refused_at_start(
    name: str, tmp_path: Path
) -> None:
    """A string is not a boolean, a number or a list, whatever it contains."""
    path = tmp_path / f"settings{layout.ENDING}"
    prefix = f"{PREFIX}_" if layout.TEXT else ""
    for text in INVALID[name]:
        line = f"{prefix}{name} = {json.dumps(text, ensure_ascii=False)}\n"
        path.write_text(line, encoding="utf-8")
        said = line_of({"ENV": "testing", "CFG": path})
        assert said.startswith(f"{name} (file {path}): must be "), text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "true") for name in SWITCHES + MAYBE_SWITCHES),
        *((name, 1) for name in SWITCHES + MAYBE_SWITCHES if name != "TESTING"),
        *((name, "1") for name in MAYBE_COUNTS),
        *((name, True) for name in (*MAYBE_COUNTS, "PROXY_HOPS", "MAX_COOKIE_SIZE")),
        ("PERMANENT_SESSION_LIFETIME", timedelta(0)),
        ("PERMANENT_SESSION_LIFETIME", timedelta.max),
        ("PERMANENT_SESSION_LIFETIME", 1.5),
        ("SEND_FILE_MAX_AGE_DEFAULT", timedelta(-1)),
        ("SECRET_KEY", 4711),
        ("SECRET_KEY", "\udcff"),
        ("SECRET_KEY_FALLBACKS", ["\udcff"]),
        ("SECRET_KEY_FALLBACKS", {"a"}),
        ("TRUSTED_HOSTS", "example.net"),
        ("TRUSTED_HOSTS", ()),
        ("SESSION_COOKIE_NAME", "\u00e4"),
        ("LOG_LEVEL", None),
        ("SERVER_NAME", 1),
    ],
)
def test_a_value_of_another_type_is_refused_at_start(name: str, value: object) -> None:
    """Nothing is true, a number or a list by accident."""
    given = {"ENV": "testing", name: value}
    assert f"{name} (create_app): must be " in line_of(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERMANENT_SESSION_LIFETIME", timedelta(days=1)),
        ("SEND_FILE_MAX_AGE_DEFAULT", timedelta(0)),
        ("SECRET_KEY", b"\xff"),
        ("SECRET_KEY_FALLBACKS", (b"\xff",)),
        ("TRUSTED_HOSTS", ("localhost",)),
    ],
)
def test_what_flask_documents_is_accepted(name: str, value: object) -> None:
    """Bytes as keys, durations as timedelta, tuples as lists."""
    assert load({"ENV": "testing", name: value})[name] == value


def test_all_invalid_values_are_named_at_once(variables: Variables) -> None:
    """None is found only after another one is fixed."""
    variables(LOG_LEVEL="noisy", DEBUG="no", PROXY_HOPS="x")
    line = line_of("production")
    for name in ("LOG_LEVEL (", "DEBUG (", "PROXY_HOPS (", "SECRET_KEY:"):
        assert name in line


def test_no_message_shows_a_secret(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log is read by more people than the settings are."""
    package(monkeypatch, DB={"password": ""})
    variables(SECRET_KEY_FALLBACKS="hidden-1", TRUSTED_HOSTS="pg://me:hidden-2@db")
    variables(DB='{"password": "hidden-3",}', LOG_LEVEL="noisy")
    line = line_of("testing")
    assert "hidden" not in line
    assert line.count("must be") == 4


def test_a_long_value_is_cut_off(variables: Variables) -> None:
    """The line stays readable."""
    variables(LOG_LEVEL="x" * 5000)
    assert len(line_of("testing")) < 500


OWN: list[tuple[object, str, object]] = [
    (True, "false", False),
    (True, "null", None),
    (5, "6", 6),
    (0.5, "1", 1.0),
    (0.5, "1e-3", 0.001),
    (float("inf"), "1", 1.0),
    (HTTPStatus.OK, "404", 404),
    ("a", "0815", "0815"),
    ("a", "true", "true"),
    ("a", "null", "null"),
    ("", "[1]", "[1]"),
    (["a"], '["b", 1]', ["b", 1]),
    ({"a": 1}, '{"a": 2}', {"a": 2}),
    (None, "5", "5"),
    (None, "NaN", "NaN"),
    (None, "null", "null"),
    (None, '"5"', '"5"'),
    (None, '["a"]', ["a"]),
    (None, '{"a": 1}', {"a": 1}),
    (None, "[a]", "[a]"),
    (None, "[" * 5000, "[" * 5000),
]


@pytest.mark.parametrize(("default", "text", "value"), OWN)
def test_a_setting_of_your_own_takes_the_type_of_its_packaged_default(
    default: object,
    text: str,
    value: object,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without one it is a text, or JSON if that is a list or a table."""
    package(monkeypatch, OWN_SETTING=default)
    variables(OWN_SETTING=text)
    read = load("testing")["OWN_SETTING"]
    assert read == value
    assert type(read) is type(value)
    if default is None:
        variables(UNPACKAGED=text)
        assert load("testing")["UNPACKAGED"] == value


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (True, "no"),
        (5, "x"),
        (5, "1.5"),
        (5, ""),
        (0.5, "1e400"),
        (0.5, "nan"),
        (["a"], "a,b"),
        ({"a": 1}, "x"),
        ({"a": 1}, '["x"]'),
        (timedelta(1), "1"),
    ],
)
def test_a_setting_of_your_own_with_another_type_is_refused(
    default: object,
    text: str,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Flask's own are; code may give it anything, as a test does."""
    package(monkeypatch, OWN_SETTING=default, TABLE={"item": default})
    load({"ENV": "testing", "OWN_SETTING": text})
    variables(OWN_SETTING=text, TABLE__item=text)
    line = line_of("testing")
    assert f"OWN_SETTING (variable {PREFIX}_OWN_SETTING): must be " in line
    assert f"TABLE__item (variable {PREFIX}_TABLE__item): must be " in line


def test_the_environment_decides_on_the_type_if_its_default_has_another(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is of no type, and changes none."""
    package(monkeypatch, ONE=5, TWO=5)
    packaged = layout.load_environment("testing") | {"ONE": "five", "TWO": None}
    monkeypatch.setattr(layout, "load_environment", lambda _: packaged)
    variables(ONE="6", TWO="6")
    config = load("testing")
    assert (config["ONE"], config["TWO"]) == ("6", 6)


def package(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Add settings to the packaged defaults."""
    packaged = layout.load_default() | settings
    monkeypatch.setattr(layout, "load_default", lambda: packaged)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SECRT_KEY", "SECRET_KEY"),
        ("SECRET", "SECRET_KEY"),
        ("TRUSTED_HOST", "TRUSTED_HOSTS"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("log_level", "LOG_LEVEL"),
        ("COOKIE_SECURE", "SESSION_COOKIE_SECURE"),
        ("ENVIRONMENT", None),
        ("{{ 'DATABASE_URL' if cookiecutter.database == 'none' else 'CACHE_URL' }}", None),
        ("SERVICE_HOST", None),  # Kubernetes sets these for a Service
        ("PORT_80_TCP_PROTO", None),
    ],
)
def test_a_variable_with_an_unknown_name_gets_a_warning(
    name: str,
    meant: str | None,
    variables: Variables,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line names the setting that was probably meant."""
    variables(**{name: "x"})
    with caplog.at_level(logging.WARNING):
        create_app("testing")
    said = [line for line in caplog.messages if "unknown setting" in line]
    if meant is None:
        assert said == []
    else:
        layer = f"variable {PREFIX}_{name}"
        assert said == [f"{name} ({layer}): unknown setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    ("name", "count"), [("SECRT_KEY", 1), ("SESSION_COKIE_PATH", 1), ("GREETING", 0)]
)
def test_an_unknown_name_in_a_settings_file_gets_a_warning(
    name: str, count: int, settings_file: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """If it is like a known one; the others are the owner's own."""
    with caplog.at_level(logging.WARNING):
        create_app({"ENV": "testing", "CFG": settings_file(**{name: "x"})})
    assert len([m for m in caplog.messages if "did you mean" in m]) == count


def test_a_packaged_name_is_known(
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What looks like a mistake is declared by a default."""
    package(monkeypatch, JWT_SECRET_KEY=None)
    variables(JWT_SECRET_KEY="x")
    create_app("testing")
    assert "unknown setting" not in caplog.text


def test_a_secret_key_without_the_prefix_is_mentioned(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the one with the prefix is missing; a misspelt one is, too."""
    monkeypatch.setenv("SECRET_KEY", "hidden")
    variables(SECRT_KEY="hidden")
    line = line_of("production")
    assert f"variable SECRET_KEY has no effect: its name must be {PREFIX}_" in line
    assert "did you mean SECRET_KEY?" in line
    assert "hidden" not in line
    variables(SECRET_KEY="of this test, and long enough")
    create_app("production")


def test_flask_debug_does_not_weaken_production(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It logs a warning. Development has its debugger."""
    monkeypatch.setenv("FLASK_DEBUG", "1")
    variables(SECRET_KEY="of this test, and long enough")
    app = create_app("production")
    assert app.debug is False
    assert app.extensions["config_warnings"] == ["FLASK_DEBUG is ignored in production"]
    assert create_app("testing").debug is False
    assert create_app("development").debug is True
    variables(DEBUG="true")
    assert "DEBUG (" in line_of("production")


@pytest.mark.parametrize(("environment", "code"), [("production", 2), ("testing", 0)])
@pytest.mark.parametrize("way", ["option", "variable"])
def test_flask_debug_is_refused_in_production(
    environment: str,
    code: int,
    way: str,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command `flask` would switch the debugger on, whatever the settings are."""
    variables(SECRET_KEY="of this test, and long enough", ENV=environment)
    command = [sys.executable, "-m", "flask", "--app", create_app.__module__]
    if way == "option":
        command.append("--debug")
    else:
        monkeypatch.setenv("FLASK_DEBUG", "1")
    result = subprocess.run(
        [*command, "config"], capture_output=True, check=False, text=True, timeout=30
    )
    assert result.returncode == code
    if code:
        assert result.stderr.startswith("Error: FLASK_DEBUG: must not be set in prod")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("way", "environment"),
    [
        ("--debug", "development"),
        ("--no-debug", "production"),
        ("variable", "production"),
        ("file", "production"),
    ],
)
def test_flask_debug_means_development_if_it_is_typed(
    way: str,
    environment: str,
    variables: Variables,
    settings_file: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with the command of the service; but not where a settings file is named."""
    command = [sys.executable, "-m", "flask", "--app", create_app.__module__]
    if way == "variable":
        monkeypatch.setenv("FLASK_DEBUG", "1")
    else:
        command.append("--debug" if way == "file" else way)
    if way == "file":
        variables(CFG=str(settings_file(SECRET_KEY="of this test, and long enough")))
    result = subprocess.run(
        [*command, "config"], capture_output=True, check=False, text=True, timeout=30
    )
    if environment == "production":
        assert result.returncode == 2
        assert " must " in result.stderr
        assert f"{PREFIX}_ENV=development" in result.stderr
    else:
        assert result.returncode == 0
        assert re.search(r"^ENV +'development'", result.stdout, re.MULTILINE)
        assert re.search(r"^DEBUG +True", result.stdout, re.MULTILINE)


def test_the_file_and_the_variable_mean_the_same(
    settings_file: Write, variables: Variables
) -> None:
    """A text from either has the type of the setting."""
    texts: dict[str, Any] = {"SECRET_KEY": "0815", "SESSION_COOKIE_NAME": "true"}
    file = load({"ENV": "testing", "CFG": settings_file(**texts)})
    variables(**texts)
    config = load("testing")
    assert {name: file[name] for name in texts} == texts
    assert {name: config[name] for name in texts} == texts
