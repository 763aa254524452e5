"""The types of settings: which values are valid, and what a text stands for.

Variables and `.env` files hold nothing but text. The type of a setting decides what
its text means, never the look of the text: README.md has the rule.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Any, NamedTuple

# TasksMax in the unit has room for as many, in each process and in those of a reload.
MOST_THREADS = 100

# Flask adds durations to the date of today, which fails for very long ones.
CENTURY = 100 * 365 * 24 * 60 * 60

SWITCHES = {"true": True, "1": True, "false": False, "0": False}
INTEGER_TEXT = re.compile(r"[+-]?[0-9]{1,18}")
FLOAT_TEXT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

SURROGATE = re.compile("[\ud800-\udfff]")
HOST_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
# A token of RFC 9110, 5.6.2: browsers cut other names of cookies off, or drop them.
TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
URL_PATH = re.compile(r"/(?!/)[^\x00-\x20\x7f]*")


class Kind(NamedTuple):
    """A type of setting.

    Attributes:
        must: What a value must be, for messages.
        accepts: Returns whether a value is valid.
        read: Returns the value that a text stands for. A text that stands for none is
            returned as it is, for `accepts` to refuse.

    """

    must: str
    accepts: Callable[[Any], bool]
    read: Callable[[str], object] = str


def optional(kind: Kind) -> Kind:
    """Return the type that accepts None, too, which the text `null` stands for."""
    return Kind(
        f"{kind.must}, or None",
        lambda value: value is None or kind.accepts(value),
        lambda text: None if text.strip() == "null" else kind.read(text),
    )


def one_of(*values: str) -> Kind:
    """Return the type of a setting with a fixed set of values."""
    return Kind(f"one of {', '.join(values)}", lambda value: value in values)


def duration(least: int) -> Kind:
    """Return the type of a duration of at least so many seconds."""
    return Kind(
        f"a number of seconds from {least} to {CENTURY}, or a timedelta",
        lambda value: least <= seconds_of(value) <= CENTURY,
        read_integer,
    )


def seconds_of(value: object) -> float:
    """Return the length of a duration, or a negative number for anything else."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def matching(pattern: re.Pattern[str], must: str) -> Kind:
    """Return the type of a string that has to match a pattern."""
    return Kind(
        must, lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))
    )


def kind_like(value: object) -> Kind:
    """Return the type that a value is an example of."""
    for type_, kind in KINDS.items():
        if isinstance(value, type_):
            return kind
    own = type(value)
    return optional(Kind(f"a {own.__name__}", lambda other: isinstance(other, own)))


def read_switch(text: str) -> object:
    """Return what `true`, `false`, `1` or `0` stand for."""
    return SWITCHES.get(text.strip().lower(), text)


def read_integer(text: str) -> object:
    """Return the number that digits stand for."""
    return int(text) if INTEGER_TEXT.fullmatch(text.strip()) else text


def read_number(text: str) -> object:
    """Return the number that digits, with or without a point, stand for."""
    number = float(text) if FLOAT_TEXT.fullmatch(text.strip()) else math.inf
    return number if math.isfinite(number) else text


def read_json(text: str) -> object:
    """Return the list or table that a JSON array or object stands for."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, list | dict) else text


def is_integer(value: object) -> bool:
    """Return whether a value is an integer, which True and False are to Python, too."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    """Return whether a value is a string, and can be encoded.

    The bytes of a variable that are not UTF-8 become surrogates.
    """
    return isinstance(value, str) and not SURROGATE.search(value)


def is_host(value: object) -> bool:
    """Return whether a value is a host as it is in a Host header, without a port.

    Requests are compared in lower case (see `proxy.normalize_host`), IPv6 addresses
    in their shortest form, as browsers write them.
    """
    if not isinstance(value, str):
        return False
    try:
        if value.startswith("["):
            return f"[{IPv6Address(value[1:-1])}]" == value
        return bool(HOST_NAME.fullmatch(value.encode("idna").decode()))
    except ValueError:
        return False


def without_port(host: str) -> str:
    """Return a host without its port, if it has a valid one."""
    name, _, port = host.rpartition(":")
    is_port = port.isdecimal() and port[0] != "0" and len(port) <= len("65535")
    return name if is_port and int(port) < 2**16 else host


def is_trusted_host(value: object) -> bool:
    """Return whether a value is a host, or a domain after a dot; a port is ignored."""
    if not isinstance(value, str):
        return False
    if "[" in value:  # an IPv6 address
        return is_host(value)
    return is_host(without_port(value.removeprefix(".")))


def is_server_name(value: object) -> bool:
    """Return whether a value is a host, in capitals or not, with or without a port."""
    return isinstance(value, str) and is_host(without_port(value.lower()))


def is_cookie_domain(value: object) -> bool:
    """Return whether a value is a domain, with or without a dot before it."""
    if not isinstance(value, str) or value.startswith("["):
        return False
    return is_host(value.lower().removeprefix("."))


def is_secret(value: object) -> bool:
    """Return whether a value can sign a cookie."""
    return is_text(value) or isinstance(value, bytes)


def is_list(value: object) -> bool:
    """Return whether a value is a list, or a tuple."""
    return isinstance(value, list | tuple)


ANY = Kind("anything", lambda _value: True, read_json)
# Without `optional`: in a text, `null` is a text.
TEXT = Kind("a string (UTF-8)", lambda value: value is None or is_text(value))
SWITCH = Kind("true or false", lambda value: isinstance(value, bool), read_switch)
INTEGER = Kind("an integer", is_integer, read_integer)
NUMBER = Kind(
    "a number",
    lambda value: isinstance(value, float) or is_integer(value),
    read_number,
)
LIST = Kind("a list", is_list, read_json)
TABLE = Kind("a table", lambda value: isinstance(value, dict), read_json)

# In this order: True is an integer, too.
KINDS = {
    bool: optional(SWITCH),
    int: optional(INTEGER),
    float: optional(NUMBER),
    str: TEXT,
    list: optional(LIST),
    tuple: optional(LIST),
    dict: optional(TABLE),
}

COUNT = Kind(
    "a non-negative integer",
    lambda value: is_integer(value) and value >= 0,
    read_integer,
)
THREADS = Kind(
    f"an integer from 1 to {MOST_THREADS}",
    lambda value: is_integer(value) and 1 <= value <= MOST_THREADS,
    read_integer,
)
SECRET = Kind("a string (UTF-8)", lambda value: value is None or is_secret(value))
SECRETS = Kind(
    'a list of non-empty strings, such as ["old key"]',
    lambda value: (
        is_list(value) and all(is_secret(item) and item.strip() for item in value)
    ),
    read_json,
)
HOSTS = Kind(
    'a list of host names in lower case, such as ["example.org", "[::1]"]',
    lambda value: (
        is_list(value)
        and len(value) > 0  # to Flask, an empty one means any host
        and all(map(is_trusted_host, value))
    ),
    read_json,
)
POLICY = Kind(
    """a table of directives, such as {"img-src": "'self' data:"}""",
    lambda value: isinstance(value, dict),
    read_json,
)
SERVER_NAME = Kind("a host name, with or without a port", is_server_name)
COOKIE_DOMAIN = Kind("a domain name", is_cookie_domain)
COOKIE_NAME = matching(TOKEN, "letters, digits, or some of !#$%&'*+-.^_`|~")
PATH = matching(URL_PATH, 'a URL path that begins with "/"')
{% if cookiecutter.database != 'none' %}
{% include cookiecutter.__parts ~ 'database/' ~ cookiecutter.database ~ '/kind.py' %}
{% endif %}
