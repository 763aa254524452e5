"""Refuse answers from which no working project can be made, before it is written."""

import difflib
import json
import keyword
import re
import sys
from collections.abc import Iterator
from typing import Any

ANSWERS = r"""{{ cookiecutter | jsonify }}"""

# The longest that each free text may be, in characters.
TEXTS = {"project_name": 60, "description": 200, "author_name": 100}
NAMES = ("project_slug", "author_email", "server_name")
CHOICES = {
    "wsgi_server": ("waitress", "uwsgi", "gunicorn"),
    "config_layout": ("cfg", "object", "toml", "env"),
    "https": ("no", "yes", "proxy"),
    "license": ("MIT", "BSD-3-Clause", "Apache-2.0", "Proprietary"),
    "ci": ("github", "gitlab", "none"),
}
KNOWN = (*TEXTS, *NAMES, *CHOICES)

SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
SLUG_LENGTH = 30

# Distributions in the locks of rendered projects, and their import packages: a project
# of such a name would hide what it needs. `make lock` writes this list.
LOCKED = frozenset(
    "ast-serialize blinker click colorama dotenv editables flask gunicorn "
    "hatchling iniconfig itsdangerous jinja2 librt markupsafe mypy "
    "mypy-extensions mypyc packaging pathspec pluggy py pygments pytest "
    "python-dotenv python-json-logger pythonjsonlogger pyuwsgi ruff tomlkit "
    "trove-classifiers typing-extensions uwsgidecorators waitress werkzeug".split()
)

# A package of such a name hides a module that the project or its server needs; a unit
# or a system user of such a name is on most servers; newer Pythons than this one have a
# module of such a name; Windows reserves it.
TAKEN = frozenset(
    "app config conftest deploy pip pyproject server setuptools static templates test "
    "tests uwsgi wheel wsgi "
    "adm apache apache2 backup bin cron crond daemon dbus docker games gnats httpd irc "
    "kmem list local lp mail man messagebus mysql network networking news nginx nobody "
    "nogroup operator polkitd postfix postgres postgresql proxy redis root rsyslog ssh "
    "sshd staff sudo sync sys syslog systemd tty udev users utmp uucp video voice www "
    "www-data "
    "annotationlib compression type "
    "aux con nul prn".split()
)

# RFC 1123, in small letters; the last part is no number, or it would be an address.
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = r"(?=.{1,253}$)(" + LABEL + r"\.)*(?![0-9]+$)" + LABEL

# RFC 5322 without quotes, comments and domain literals.
ADDRESS = r"(?=.{1,254}$)[\w.!#$%&'*+/=?^`|~-]{1,64}@(" + LABEL + r"\.)*" + LABEL

# Line breaks and other control characters would end a line of a file where lines have a
# meaning. Marks that override the direction of text make a file read other than it is.
# Half of a pair of surrogates cannot be written at all.
CONTROL = (
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def problems(answers: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each answer that cannot be used."""
    for name in answers:
        if not name.startswith("_") and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 1)
            mend = f"write {near[0]!r}" if near else f"known are {', '.join(KNOWN)}"
            yield f"{name}: there is no such question: {mend}"
    for name in KNOWN:
        value = answers.get(name)
        if not isinstance(value, str):
            yield f"{name}: {value!r} is no text: give one"
        elif name in CHOICES:
            yield from problems_of_choice(name, value)
        elif found := re.search(CONTROL, value):
            character = f"the control character {found[0]!a}"
            yield f"{name}: {value!a} holds {character}: use one line of plain text"
        elif name in TEXTS:
            yield from problems_of_text(name, value)
        else:
            yield from CHECKS[name](value)


def problems_of_choice(name: str, value: str) -> Iterator[str]:
    """Yield what is wrong with an answer that is a choice."""
    if value not in CHOICES[name]:
        yield f"{name}: {value!a} is no choice: use {' or '.join(CHOICES[name])}"


def problems_of_text(name: str, text: str) -> Iterator[str]:
    """Yield what is wrong with a line of free text."""
    if name == "project_name" and not text.strip():
        yield f"{name}: {text!r} says nothing: give a name, for example 'My Service'"
    elif text != text.strip():
        yield f"{name}: {text!r} has spaces around it: use {text.strip()!r}"
    if len(text) > TEXTS[name]:
        yield f"{name}: {text!r} has {len(text)} characters: use at most {TEXTS[name]}"


def problems_of_slug(slug: str) -> Iterator[str]:
    """Yield what is wrong with the short name."""
    package = slug.replace("-", "_")
    mend = f"use for example '{slug}-api'"
    if not re.fullmatch(SLUG, slug) or len(slug) > SLUG_LENGTH:
        better = re.sub("[^a-z0-9]+", "-", slug.lower()).strip("-0123456789")
        better = better[:SLUG_LENGTH].rstrip("-")
        if next(problems_of_slug(better), None) if better else True:
            better = "my-service"
        rule = f"a-z, 0-9, single hyphens, a letter first, at most {SLUG_LENGTH}"
        yield f"project_slug: {slug!r} is no short name ({rule}): use {better!r}"
    elif keyword.iskeyword(package) or keyword.issoftkeyword(package):
        yield f"project_slug: {slug!r} is a word of Python: {mend}"
    elif package in sys.stdlib_module_names:
        yield f"project_slug: {slug!r} is a module of Python: {mend}"
    elif slug in LOCKED:
        yield f"project_slug: {slug!r} is a package that the project needs: {mend}"
    elif slug in TAKEN:
        yield f"project_slug: {slug!r} is taken, here or on most servers: {mend}"


def problems_of_address(address: str) -> Iterator[str]:
    """Yield what is wrong with the mail address; there may be none."""
    if address and not re.fullmatch(ADDRESS, address, re.ASCII | re.IGNORECASE):
        yield f"author_email: {address!r} is no address: use 'me@example.com', or none"


def problems_of_hosts(names: str) -> Iterator[str]:
    """Yield what is wrong with the host names."""
    rule = "small letters, digits, hyphens, dots; other letters as punycode"
    mend = "use for example 'shop.example.com'"
    for name in names.split(" ") if names else [""]:
        if not re.fullmatch(HOST, name):
            yield f"server_name: {name!r} is no host name ({rule}): {mend}"


CHECKS = {
    "project_slug": problems_of_slug,
    "author_email": problems_of_address,
    "server_name": problems_of_hosts,
}


def main() -> None:
    """Print what is wrong, and stop."""
    found = list(problems(json.loads(ANSWERS)))
    for line in found:
        print(f"ERROR: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
