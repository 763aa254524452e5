"""Check CONTENT_SECURITY_POLICY, and write it as a header.

The policy is a table of directives. The value of a directive is its sources, as a
string or a list, or ``True`` for a directive without a value. ``False`` removes it.
"""

import difflib
import re
from collections.abc import Iterator, Mapping

NAME = "CONTENT_SECURITY_POLICY"

# Content Security Policy Level 3: https://www.w3.org/TR/CSP3/
SOURCES = (
    *("default-src", "script-src", "script-src-elem", "script-src-attr"),
    *("style-src", "style-src-elem", "style-src-attr", "img-src", "font-src"),
    *("connect-src", "media-src", "object-src", "frame-src", "child-src"),
    *("worker-src", "manifest-src", "base-uri", "form-action", "frame-ancestors"),
)
OTHERS = (
    *("sandbox", "report-to", "report-uri", "require-trusted-types-for"),
    *("trusted-types", "upgrade-insecure-requests"),
)
WITHOUT_VALUE = ("sandbox", "upgrade-insecure-requests")
KEYWORDS = (
    *("self", "none", "unsafe-inline", "unsafe-eval", "unsafe-hashes"),
    *("strict-dynamic", "report-sample", "wasm-unsafe-eval"),
)
SCHEMES = ("blob", "data", "http", "https", "ws", "wss")

# A semicolon ends a directive, a comma the policy.
FORBIDDEN = re.compile(r"[^\x20-\x7e]|[;,]")
HASH = re.compile(r"sha(256|384|512)-[A-Za-z0-9+/_-]+={0,2}")
SOURCE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"  # a scheme
    r"|([A-Za-z][A-Za-z0-9+.-]*://)?"
    r"(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)(:([0-9]+|\*))?(/[^'\"?#]*)?"
)


def header(policy: Mapping[str, object]) -> str:
    """Return the value of the header."""
    directives = (f"{name} {words(value)}".strip() for name, value in active(policy))
    return "; ".join(directives)


def active(policy: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the directives that are not removed."""
    return ((name, value) for name, value in policy.items() if value is not False)


def words(value: object) -> str:
    """Return the value of a directive as it stands in the header."""
    if isinstance(value, list | tuple):
        return " ".join(value)
    return value if isinstance(value, str) else ""


def problems(policy: object) -> Iterator[str]:
    """Yield what is wrong with each directive of a policy, a line for each."""
    for name, value in policy.items() if isinstance(policy, dict) else ():
        if name in (*SOURCES, *OTHERS):
            if text := problem_of(name, value):
                yield f"{name}: {text}, not {shown(value)}"
            continue
        known = (*SOURCES, *OTHERS)
        near = difflib.get_close_matches(str(name).lower(), known, 1)
        meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        yield f"unknown directive {shown(name)}; {meant}"


def problem_of(name: str, value: object) -> str | None:
    """Return what the value of a directive must be, if it is not."""
    if value is False or (value is True and name in WITHOUT_VALUE):
        return None
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) and item.strip() for item in items) or not items:
        return (
            "must be a string or a list of strings (\"'none'\" to allow nothing, "
            "false to remove the directive)"
        )
    text = words(value)
    if FORBIDDEN.search(text):
        return "must be printable ASCII without a semicolon or a comma"
    sources = text.split()
    if name not in SOURCES:
        return None
    if "'none'" in sources and len(sources) > 1:
        return "must have no other source beside 'none'"
    return next(filter(None, map(problem_of_source, sources)), None)


def problem_of_source(source: str) -> str | None:
    """Return what a source must be, if it is not."""
    bare = source.strip("'\"")
    word = bare.lower()
    near = difflib.get_close_matches(word, KEYWORDS, 1, 0.8)
    must = None
    if word.startswith("nonce-"):
        must = "must have no fixed nonce (call csp_nonce() in the template)"
    elif word in KEYWORDS or HASH.fullmatch(bare):
        if source != f"'{bare}'":
            must = f"must have {bare} in single quotes (\"'{bare}'\")"
    elif word in SCHEMES:
        must = f"must have a colon after {bare}"
    elif near:
        must = f"must have known keywords (did you mean \"'{near[0]}'\"?)"
    elif not SOURCE.fullmatch(source):
        must = (
            "must have origins (https://cdn.example), schemes (data:) or keywords in "
            "single quotes ('self')"
        )
    return must


def shown(value: object) -> str:
    """Return a value for a message of one line."""
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004
