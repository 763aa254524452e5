"""Find values that would otherwise fail at a request, or not fail when they should."""

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .kinds import (
    COOKIE_DOMAIN,
    COOKIE_NAME,
    COUNT,
{% if cookiecutter.database != 'none' %}
    DATABASE_URL,
{% endif %}
    HOSTS,
    PATH,
    POLICY,
    SECRET,
    SECRETS,
    SERVER_NAME,
    SWITCH,
    THREADS,
    Kind,
    duration,
    one_of,
    optional,
)
from .layout import TEXT
from .mask import masked

VARIABLE = "{{ cookiecutter.__prefix }}SECRET_KEY"

# The type of each setting of Flask: https://flask.palletsprojects.com/en/stable/config/
FLASK = {
    "APPLICATION_ROOT": PATH,
    "DEBUG": SWITCH,
    "EXPLAIN_TEMPLATE_LOADING": SWITCH,
    "MAX_CONTENT_LENGTH": optional(COUNT),
    "MAX_COOKIE_SIZE": COUNT,
    "MAX_FORM_MEMORY_SIZE": optional(COUNT),
    "MAX_FORM_PARTS": optional(COUNT),
    "PERMANENT_SESSION_LIFETIME": duration(1),
    "PREFERRED_URL_SCHEME": one_of("http", "https"),
    "PROPAGATE_EXCEPTIONS": optional(SWITCH),
    "PROVIDE_AUTOMATIC_OPTIONS": SWITCH,
    "SECRET_KEY": SECRET,
    "SECRET_KEY_FALLBACKS": optional(SECRETS),
    "SEND_FILE_MAX_AGE_DEFAULT": optional(duration(0)),
    "SERVER_NAME": optional(SERVER_NAME),
    "SESSION_COOKIE_DOMAIN": optional(COOKIE_DOMAIN),
    "SESSION_COOKIE_HTTPONLY": SWITCH,
    "SESSION_COOKIE_NAME": COOKIE_NAME,
    "SESSION_COOKIE_PARTITIONED": SWITCH,
    "SESSION_COOKIE_PATH": optional(PATH),
    "SESSION_COOKIE_SAMESITE": optional(one_of("Strict", "Lax", "None")),
    "SESSION_COOKIE_SECURE": SWITCH,
    "SESSION_REFRESH_EACH_REQUEST": SWITCH,
    "TEMPLATES_AUTO_RELOAD": optional(SWITCH),
    "TESTING": SWITCH,
    "TRAP_BAD_REQUEST_ERRORS": optional(SWITCH),
    "TRAP_HTTP_EXCEPTIONS": SWITCH,
    "TRUSTED_HOSTS": optional(HOSTS),
    "USE_X_SENDFILE": SWITCH,
}
# And of this package.
OWN = {
    "CONTENT_SECURITY_POLICY": POLICY,
{% if cookiecutter.database != 'none' %}
    "DATABASE_URL": DATABASE_URL,
{% endif %}
    "LOG_FORMAT": one_of("text", "json"),
    "LOG_LEVEL": one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "PROXY_HOPS": COUNT,
    "THREADS": THREADS,
}
SETTINGS = FLASK | OWN

# Placeholders, what a script inserts for a missing value, and the values of packaged
# settings for development and testing.
PLACEHOLDERS = (
    *("", "change-me", "changeme", "dev", "development", "none", "null", "password"),
    *("placeholder", "secret", "secret-key", "test", "testing", "todo", "undefined"),
    *("your-secret-key", "xxx"),
)
LONGEST = 200  # characters of a value in a message
WHERE = (
    f"set {VARIABLE} in the settings file or in the environment"
    if TEXT
    else f"set SECRET_KEY in the settings file, or the variable {VARIABLE}"
)
ADVICE = (
    f"{WHERE}; generate one with: "
    "python3 -c 'import secrets; print(secrets.token_hex(32))'"
)

WAY_OUT = "or, to develop, set {{ cookiecutter.__prefix }}ENV=development"

# The similarity at which an unknown name counts as a misspelling.
WITH_PREFIX, WITHOUT_PREFIX = 0.7, 0.85


def problems(
    config: Mapping[str, Any],
    types: Mapping[str, Kind],
    origin: Mapping[str, str],
) -> Iterator[str]:
    """Yield a line for each setting with an invalid value.

    Args:
        config: The settings.
        types: The type of each setting that has one.
        origin: The layer that each value came from.

    """
    for name, kind in types.items():
        if name in FLASK and name not in config:
            continue  # Flask's own default
        value = config.get(name)
        layer = origin.get(name, "default")
        # Code may give its own settings any value: a test, what stands in for one.
        may_be_anything = layer == "create_app" and name not in SETTINGS
        if not kind.accepts(value) and not may_be_anything:
            yield problem(name, value, layer, kind)
    if config["ENV"] == "production":
        yield from problems_of_production(config, origin)


def problem(name: str, value: object, layer: str, kind: Kind) -> str:
    """Return the line for an invalid value."""
    shown = repr(masked(name, value))
    if shown == repr("***"):
        shown = f"*** ({type(value).__name__})"
    elif len(shown) > LONGEST:
        shown = f"{shown[:LONGEST]}…"
    return f"{name} ({layer}): must be {kind.must}, not {shown}"


def problems_of_production(
    config: Mapping[str, Any], origin: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each setting that other environments may have."""
    if config["DEBUG"] is True:
        yield f"DEBUG ({origin['DEBUG']}): must be false in production, not True"
    key, old_keys = config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS")
    if not key:
        yield f"SECRET_KEY: must be set in production: {ADVICE}; {WAY_OUT}"
        if "SECRET_KEY" in os.environ:
            yield f"the variable SECRET_KEY has no effect: its name must be {VARIABLE}"
    elif is_placeholder(key):
        layer = origin["SECRET_KEY"]
        yield f"SECRET_KEY ({layer}): must not be a placeholder in production: {ADVICE}"
    if isinstance(old_keys, list | tuple) and any(map(is_placeholder, old_keys)):
        layer = origin["SECRET_KEY_FALLBACKS"]
        yield f"SECRET_KEY_FALLBACKS ({layer}): must not contain a placeholder"


def is_placeholder(key: object) -> bool:
    """Return whether a key is a placeholder."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    return text.strip().lower().replace("_", "-") in PLACEHOLDERS


def near_misses(origin: Mapping[str, str], known: list[str]) -> Iterator[str]:
    """Yield a warning for each unknown name that is like a known one.

    Args:
        origin: The layer that each setting came from.
        known: The names of the settings of Flask and of the packaged layers.

    """
    for name, layer in origin.items():
        if name in known or layer == "create_app":
            continue
        # With the prefix, a name is meant for this service. Others may be those of
        # extensions: JWT_SECRET_KEY.
        has_prefix = TEXT or layer.startswith("variable ")
        likeness = WITH_PREFIX if has_prefix else WITHOUT_PREFIX
        for near in difflib.get_close_matches(name.upper(), known, 1, likeness):
            yield f"{name} ({layer}): unknown setting; did you mean {near}?"
