"""Refuse answers from which no working project can be made, before it is written."""

import json
import keyword
import re
import sys
from collections.abc import Iterator
from typing import Any

ANSWERS = r"""{{ cookiecutter | jsonify }}"""

SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
SLUG_LENGTH = 30

# What the project imports or contains, and what every server has already: a package
# of that name hides it, a unit or a user of that name replaces it.
TAKEN = frozenset(
    "app blinker click config conftest deploy dotenv flask gunicorn itsdangerous "
    "jinja2 markupsafe mypy pip pyproject pytest pythonjsonlogger pyuwsgi ruff server "
    "setuptools static templates test tests uwsgi uwsgidecorators waitress werkzeug "
    "wheel wsgi "
    "adm apache apache2 backup bin cron crond daemon dbus docker games gnats "
    "httpd irc kmem list local lp mail man messagebus mysql network networking news "
    "nginx nobody nogroup operator polkitd postfix postgres postgresql proxy redis "
    "root rsyslog ssh sshd staff sudo sync sys syslog systemd tty udev users utmp "
    "uucp video voice www www-data".split()
)

# RFC 1123 names in lower case; the part after the last dot is no number.
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = r"(?=.{1,253}$)(" + LABEL + r"\.)*(?![0-9]+$)" + LABEL

# One address as RFC 5322 writes it without quotes and comments.
ADDRESS = r"(?=.{1,254}$)[\w.!#$%&'*+/=?^`|~-]{1,64}@(" + LABEL + r"\.)*" + LABEL

# Line breaks and other control characters end up in files where a line has a
# meaning; marks that change the direction of text make a file read other than it is.
UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
TEXTS = {"project_name": 60, "description": 200, "author_name": 100}


def problems(answers: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each answer that cannot be used."""
    if not answers["project_name"].strip():
        yield "project_name: it is empty: say what the service is called"
    for name, length in TEXTS.items():
        yield from problems_of_text(name, answers[name], length)
    yield from problems_of_slug(answers["project_slug"])
    yield from problems_of_hosts(answers["server_name"])
    address = answers["author_email"]
    if address and not re.fullmatch(ADDRESS, address, re.ASCII | re.IGNORECASE):
        yield f"author_email: {address!r} is no address: give one, or nothing"
    for name, choices in CHOICES.items():
        if answers[name] not in choices:
            use = ", ".join(choices)
            yield f"{name}: {answers[name]!r} is no choice: use one of {use}"


CHOICES = {
    "wsgi_server": ("waitress", "uwsgi", "gunicorn"),
    "config_layout": ("cfg", "object", "toml", "env"),
    "https": ("no", "yes"),
    "license": ("MIT", "BSD-3-Clause", "Apache-2.0", "Proprietary"),
    "ci": ("github", "gitlab", "none"),
}


def problems_of_text(name: str, text: str, length: int) -> Iterator[str]:
    """Yield what is wrong with one line of free text."""
    if len(text) > length:
        start = text[:20]
        yield f"{name}: {start!r}… has {len(text)} characters: use at most {length}"
    if found := re.search(UNPRINTABLE, text):
        yield (
            f"{name}: {text!r} has the control character {found[0]!r}: "
            "use one line of plain text"
        )


def problems_of_slug(slug: str) -> Iterator[str]:
    """Yield what is wrong with the short name."""
    package = slug.replace("-", "_")
    use = f"use for example '{slug}-api'"
    if not re.fullmatch(SLUG, slug) or len(slug) > SLUG_LENGTH:
        better = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-0123456789")
        better = better[:SLUG_LENGTH].rstrip("-") or "my-service"
        yield (
            f"project_slug: {slug!r} is no short name (a-z, 0-9 and single hyphens, a "
            f"letter first, at most {SLUG_LENGTH}): use for example {better!r}"
        )
    elif keyword.iskeyword(package) or keyword.issoftkeyword(package):
        yield f"project_slug: {slug!r} is a word of Python: {use}"
    elif package in sys.stdlib_module_names:
        yield f"project_slug: {slug!r} is a module of Python: {use}"
    elif slug in TAKEN:
        yield (
            f"project_slug: {slug!r} is taken, by what the project uses or by what "
            f"every server has: {use}"
        )


def problems_of_hosts(names: str) -> Iterator[str]:
    """Yield what is wrong with the host names."""
    if not names.split():
        yield "server_name: it is empty: give a host name, for example 'example.com'"
    for name in names.split(" "):
        if name and not re.fullmatch(HOST, name):
            yield (
                f"server_name: {name!r} is no host name (small letters, digits, "
                "hyphens and dots; other letters as punycode): use for example "
                "'shop.example.com'"
            )


def main() -> None:
    """Print what is wrong, and stop."""
    found = list(problems(json.loads(ANSWERS)))
    for line in found:
        print(f"ERROR: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
