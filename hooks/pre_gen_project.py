"""Refuse answers from which no working project can be made, before writing any file."""

import difflib
import json
import keyword
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ANSWERS = r"""{{ cookiecutter | jsonify }}"""

# The longest that each free text may be, in characters.
TEXTS = {"project_name": 60, "description": 200, "author_name": 100}
NAMES = ("project_slug", "author_email", "server_name")
# `make hooks` writes this list, and LOCKED.
CHOICES = {
    "wsgi_server": ["waitress", "uwsgi", "gunicorn"],
    "config_layout": ["cfg", "object", "toml", "env"],
    "database": ["none", "sqlite", "postgresql"],
    "https": ["no", "yes", "proxy"],
    "license": ["MIT", "BSD-3-Clause", "Apache-2.0", "Proprietary"],
    "ci": ["github", "gitlab", "none"],
}

KNOWN = (*TEXTS, *NAMES, *CHOICES)

SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
SLUG_LENGTH = 30

# Distributions in the locks of rendered projects, and their import packages: a project
# of such a name would hide what it needs.
LOCKED = frozenset(
    "alembic ast-serialize blinker click colorama dotenv editables flask "
    "gunicorn hatchling iniconfig itsdangerous jinja2 librt mako markupsafe mypy "
    "mypy-extensions mypyc packaging pathspec pluggy psycopg psycopg-binary py "
    "pygments pytest python-dotenv pyuwsgi ruff sqlalchemy tomlkit "
    "trove-classifiers typing-extensions tzdata uwsgidecorators waitress "
    "werkzeug".split()
)

# A package of such a name hides a module that the project or its server needs; a unit
# or a system user of such a name is on most servers; newer Pythons than this one have a
# module of such a name; Windows reserves it.
TAKEN = frozenset(
    "app config conftest deploy lock pip pyproject server setuptools static templates "
    "test tests uwsgi wheel wsgi "
    "adm apache apache2 backup bin cron crond daemon dbus docker games gnats httpd irc "
    "kmem list local lp mail man messagebus mysql network networking news nginx nobody "
    "nogroup operator polkitd postfix postgres postgresql proxy redis root rsyslog ssh "
    "sshd staff sudo sync sys syslog systemd tty udev users utmp uucp video voice www "
    "www-data "
    "annotationlib compression type "
    "aux con nul prn".split()
)

# RFC 1123, in lower case; a last label of digits only would make it an IP address.
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


# What YAML takes as a boolean, unless it is quoted.
BOOLEAN = re.compile("(?i:yes|no|true|false|on|off|y|n)")


def user_configuration() -> Path:
    """Return the file with the user's defaults, as Cookiecutter finds it.

    On Linux, an option of the command counts, too.
    """
    words = Path("/proc", str(os.getppid()), "cmdline")
    command = words.read_text("utf-8", "replace") if words.exists() else ""
    if "\0--default-config\0" in command:
        return Path(os.devnull)
    option = re.search("\0--config-file[=\0]([^\0]+)", command)
    default = os.environ.get("COOKIECUTTER_CONFIG", "~/.cookiecutterrc")
    return Path(option[1] if option else default).expanduser()


def problems_of_defaults(path: Path) -> Iterator[str]:
    """Yield the user's defaults that Cookiecutter has ignored, and those below them.

    It only warns of a default that is no choice of its question, and then ignores all
    that come after it.
    """
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    text = re.sub(r"(?m)(^|\s)#.*", "", text)
    found = re.findall(r"(?m)^default_context *:(.*(?:\n(?:[ \t].*)?)*)", text)
    for name, choices in CHOICES.items():
        start = r"(?m)(?:^[ \t]+|[{,] *)['\"]?"
        item = start + name + r"['\"]? *: *([^,}\n]+)"
        for written in map(str.strip, re.findall(item, "".join(found))):
            value = written.strip("'\"")
            if value == written and value in choices and BOOLEAN.fullmatch(value):
                fix = f'write {name}: "{value}", since YAML takes it as a boolean'
            elif value in choices:
                continue
            else:
                fix = f"use one of {', '.join(choices)}"
            yield f"{name}: {path} has {value!r}, and is ignored from there on; {fix}"


def problems(answers: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each answer that cannot be used."""
    for name in answers:
        if not name.startswith("_") and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 1)
            fix = f"did you mean {near[0]!r}?" if near else f"use {', '.join(KNOWN)}"
            yield f"{name}: unknown question; {fix}"
    for name in KNOWN:
        value = answers.get(name)
        if not isinstance(value, str):
            yield f"{name}: must be a string, not {value!r}"
        elif name in CHOICES:
            yield from problems_of_choice(name, value)
        elif found := re.search(CONTROL, value):
            rule = "must be one line without control characters"
            yield f"{name}: {rule}, not {value!a}; leave out {found[0]!a}"
        elif name in TEXTS:
            yield from problems_of_text(name, value)
        else:
            yield from CHECKS[name](value)


def problems_of_choice(name: str, value: str) -> Iterator[str]:
    """Yield what is wrong with an answer that is a choice."""
    if value not in CHOICES[name]:
        listed = ", ".join(CHOICES[name])
        folder = "" if name == "https" else f", beginning with templates/{name}/{value}"
        fix = f"to add it, follow CONTRIBUTING.md of the template{folder}"
        yield f"{name}: must be one of {listed}, not {value!a}; {fix}"


def problems_of_text(name: str, text: str) -> Iterator[str]:
    """Yield what is wrong with a line of free text."""
    if name == "project_name" and not text.strip():
        yield f"{name}: must not be blank; use for example 'My Service'"
    elif text != text.strip():
        yield f"{name}: must not begin or end with spaces; use {text.strip()!r}"
    if len(text) > TEXTS[name]:
        yield f"{name}: must have at most {TEXTS[name]} characters, not {len(text)}"


def problems_of_slug(slug: str) -> Iterator[str]:
    """Yield what is wrong with the short name."""
    package = slug.replace("-", "_")
    fix = f"use for example '{slug}-api'"
    if not re.fullmatch(SLUG, slug) or len(slug) > SLUG_LENGTH:
        better = re.sub("[^a-z0-9]+", "-", slug.lower()).strip("-0123456789")
        better = better[:SLUG_LENGTH].rstrip("-")
        if next(problems_of_slug(better), None) if better else True:
            better = "my-service"
        rule = f"a-z, 0-9, single hyphens, a letter first, up to {SLUG_LENGTH} long"
        yield f"project_slug: must be {rule}, not {slug!r}; use {better!r}"
    elif keyword.iskeyword(package) or keyword.issoftkeyword(package):
        yield f"project_slug: {slug!r} is a keyword of Python; {fix}"
    elif package in sys.stdlib_module_names:
        yield f"project_slug: {slug!r} is a module of Python; {fix}"
    elif slug in LOCKED:
        yield f"project_slug: {slug!r} is a package that the project needs; {fix}"
    elif slug in TAKEN:
        yield f"project_slug: {slug!r} is reserved in the project or on servers; {fix}"


def problems_of_address(address: str) -> Iterator[str]:
    """Yield what is wrong with the email address, which may be empty."""
    if address and not re.fullmatch(ADDRESS, address, re.ASCII | re.IGNORECASE):
        rule = "must be an address such as me@example.com, or empty"
        yield f"author_email: {rule}, not {address!r}"


def problems_of_hosts(names: str) -> Iterator[str]:
    """Yield what is wrong with the host names."""
    rule = "must be host names in lower case, with other letters as punycode"
    for name in names.split(" ") if names else [""]:
        if not re.fullmatch(HOST, name):
            yield f"server_name: {rule}, not {name!r}; use for example shop.example.com"


CHECKS = {
    "project_slug": problems_of_slug,
    "author_email": problems_of_address,
    "server_name": problems_of_hosts,
}


def main() -> None:
    """Print the problems; exit with code 1 if there are any."""
    found = [
        *problems_of_defaults(user_configuration()),
        *problems(json.loads(ANSWERS)),
    ]
    for line in found:
        print(f"ERROR: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: Cookiecutter prints enough
    main()
