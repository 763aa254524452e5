"""Find values that would otherwise fail at a request, or not fail when they should."""

from collections.abc import Iterator, Mapping
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS = ("text", "json")

# What people put where a secret belongs, and what the packaged settings hold for
# development and testing.
PLACEHOLDERS = (
    *("", "change-me", "changeme", "dev", "development", "password", "placeholder"),
    *("secret", "secret-key", "test", "testing", "todo", "your-secret-key", "xxx"),
)
MEND = (
    "put SECRET_KEY into the settings file or its variable, with what this prints: "
    "python3 -c 'import secrets; print(secrets.token_hex(32))'"
)


Problem = tuple[str, object, str]


def problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the name and value of each setting that cannot be used, and why."""
    if config["LOG_LEVEL"] not in LEVELS:
        yield "LOG_LEVEL", config["LOG_LEVEL"], f"is none of {', '.join(LEVELS)}"
    if config["LOG_FORMAT"] not in FORMATS:
        yield "LOG_FORMAT", config["LOG_FORMAT"], f"is none of {', '.join(FORMATS)}"
    if not is_count(config["PROXY_HOPS"]):
        yield "PROXY_HOPS", config["PROXY_HOPS"], "is no whole number from 0"
    size = config["MAX_CONTENT_LENGTH"]
    if size is not None and not is_count(size):
        yield "MAX_CONTENT_LENGTH", size, "is no whole number of bytes"
    # Flask iterates over these two: of a string, each letter would be a key or a host.
    for name in ("SECRET_KEY_FALLBACKS", "TRUSTED_HOSTS"):
        value = config[name]
        if value is not None and not is_list_of_strings(value):
            shown = type(value).__name__ if name == "SECRET_KEY_FALLBACKS" else value
            yield name, shown, "must be a list of non-empty strings"
    keys = config["SECRET_KEY_FALLBACKS"]
    guessable = is_list_of_strings(keys) and any(map(is_placeholder, keys))
    if guessable and config["ENV"] == "production":
        yield "SECRET_KEY_FALLBACKS", "***", "must not contain a placeholder"
    yield from problems_of_secret(config["SECRET_KEY"], config["ENV"])


def is_list_of_strings(value: object) -> bool:
    """Tell whether a value is a list or a tuple of strings, none of them empty."""
    return isinstance(value, list | tuple) and all(
        isinstance(item, str) and item.strip() for item in value
    )


def is_placeholder(key: str) -> bool:
    """Tell whether a key is one that people write where a secret belongs."""
    return key.strip().lower().replace("_", "-") in PLACEHOLDERS


def is_count(value: object) -> bool:
    """Tell whether a value is a whole number that is not negative."""
    return type(value) is int and value >= 0


def problems_of_secret(key: object, environment: str) -> Iterator[Problem]:
    """Let nothing start in production with a SECRET_KEY that anybody could guess."""
    if isinstance(key, str | bytes | None):
        text = key.decode(errors="replace") if isinstance(key, bytes) else key or ""
        if is_placeholder(text) and environment == "production":
            state = "is a placeholder" if text else "is not set"
            yield "SECRET_KEY", key, f"{state}, and production needs one: {MEND}"
    else:
        yield "SECRET_KEY", type(key).__name__, f"is no text: {MEND}"
