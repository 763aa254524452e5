"""Check that the rendered files are consistent, and print the next commands.

It changes nothing: a project that was made without hooks is the same.
"""

import ast
import json
import re
import signal
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

ANSWERS = r"""{{ cookiecutter | jsonify }}"""

# The files of each choice, "!none" is all but none; {p} is the package. `make hooks`
# writes this list.
FILES = {
    "ci": {
        "github": [".github/dependabot.yml", ".github/workflows/ci.yml"],
        "gitlab": [".gitlab-ci.yml"],
    },
    "config_layout": {
        "cfg": [
            "{p}/config/default.cfg",
            "{p}/config/development.cfg",
            "{p}/config/production.cfg",
            "{p}/config/testing.cfg",
        ],
        "env": [".env.example", "tests/test_dotenv.py", "{p}/config/defaults.py"],
        "object": ["{p}/config/settings.py"],
        "toml": ["{p}/config/settings.toml"],
    },
    "database": {
        "!none": [
            "deploy/backup",
            "deploy/database.py",
            "deploy/dbtool.py",
            "deploy/restore",
            "tests/test_backup.py",
            "tests/test_database.py",
            "tests/test_dbtool.py",
            "tests/test_engine.py",
            "tests/test_topics.py",
            "tests/throwaway.py",
            "{p}/csrf.py",
            "{p}/database.py",
            "{p}/engine.py",
            "{p}/migrations/env.py",
            "{p}/migrations/script.py.mako",
            "{p}/migrations/versions/0001.py",
            "{p}/models.py",
            "{p}/templates/topics.html",
            "{p}/topics.py",
        ]
    },
    "wsgi_server": {
        "gunicorn": ["tests/test_gunicorn.py", "{p}/gunicorn.conf.py"],
        "uwsgi": ["tests/test_uwsgi.py", "{p}/uwsgi.ini", "{p}/uwsgi_main.py"],
        "waitress": ["tests/test_waitress.py"],
    },
}

# Where the same thing is said more than once, how it is said, and what it has to be;
# {s} is the short name, {e} the ending of a settings file.
FACTS = [
    ("deploy/nginx.conf", r"server unix:(\S+) ", "/run/{s}/{s}.sock"),
    ("deploy/{s}.socket", r"ListenStream=(.+)", "/run/%p/%p.sock"),
    ("deploy/{s}.service", r"User=(.+)", "%p"),
    ("deploy/{s}.service", r"ExecStart=(\S+)", "/srv/%p/current/bin/{s}"),
    ("deploy/{s}.service", r"ExecStart=.*--settings (\S+)", "/etc/%p/settings.{e}"),
    ("pyproject.toml", r'{s} = "(.+)"', "{p}.__main__:main"),
    ("{p}/__main__.py", r"def (main)\(", "main"),
    ("{p}/wsgi.py", r"(app) = create_app\(\)", "app"),
    ("{p}/config/__init__.py", r'PREFIX = "(.+)"', "{x}"),
    ("{p}/config/layout.py", r'ENDING = "\.(.+)"', "{e}"),
]
WAIT = (
    r"^ *(?:proxy_read_timeout|uwsgi_read_timeout|graceful_timeout|worker-reload-mercy"
    r"|TimeoutStopSec)[ =]+(\d+)s?;?$"
)
BODY = r'^ *"?(?:client_max_body_size|MAX_CONTENT_LENGTH)"?[ =:]+([\d_* m]+)[;,]?$'


def problems(root: Path, answers: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each inconsistency."""
    slug, package = answers["project_slug"], answers["__package"]
    names = {"s": slug, "p": package, "x": package.upper(), "e": answers["__ending"]}
    missing = [name for name in chosen(answers) if not (root / name).is_file()]
    yield from (f"{name}: missing; bake again" for name in missing)
    for path in (*root.rglob("*.py"), *root.rglob("*.cfg")):
        try:
            ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            yield f"{path.relative_to(root)}: not Python ({error}); fix the template"
    for file, pattern, value in FACTS:
        name, wanted = fill(file, names), fill(value, names)
        found = find(root / name, "^ *" + fill(pattern, names))
        if set(found) != {wanted}:
            stands = " and ".join(found) or "nothing"
            yield f"{name}: must have {wanted}, not {stands}"
    server = answers["wsgi_server"]
    installed = find(root / "pyproject.toml", rf'^  "([\w-]*{server}[\w-]*)')
    if not installed and server not in sys.stdlib_module_names:
        file = f"templates/wsgi_server/{server}/choice.jinja"
        yield f"pyproject.toml: dependencies lack {server}; fix requirements in {file}"
    paths = [*(root / package).glob("*.*"), *(root / package / "config").glob("*.*")]
    files = [path.relative_to(root).as_posix() for path in sorted(paths)]
    waits = [int(x) for x in find_all(root, ["deploy/nginx.conf", *files], WAIT)]
    waits += [int(x) for x in find_all(root, [f"deploy/{slug}.service"], WAIT)]
    if sorted(set(waits)) != waits:
        yield f"deploy/: timeouts of nginx, server, unit must increase, not {waits}"
    bodies = [size(x) for x in find_all(root, ["deploy/nginx.conf", *files], BODY)]
    if len(bodies) < 2 or len(set(bodies)) > 1:  # noqa: PLR2004 - nginx and package
        yield f"deploy/nginx.conf: body limits must equal the package's: {bodies}"


def chosen(answers: dict[str, Any], *, others: bool = False) -> list[str]:
    """Return the files of the choices; or those of all the other choices."""
    return [
        fill(name, {"p": answers["__package"]})
        for question, choices in FILES.items()
        for choice, names in choices.items()
        for name in names
        if is_chosen(answers[question], choice) != others
    ]


def is_chosen(answer: str, choice: str) -> bool:
    """Return whether an answer is this choice; or, after "!", any other."""
    return answer != choice[1:] if choice[0] == "!" else answer == choice


def fill(text: str, names: dict[str, str]) -> str:
    """Put the names where a text holds their letters in braces."""
    return re.sub(r"\{(\w)\}", lambda match: names[match[1]], text)


def find(path: Path, pattern: str) -> list[str]:
    """Return what a pattern finds in a file, each only once."""
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    return list(dict.fromkeys(re.findall(pattern, text, re.MULTILINE)))


def find_all(root: Path, names: list[str], pattern: str) -> list[str]:
    """Return what a pattern finds in files, in their order."""
    return [found for name in names for found in find(root / name, pattern)]


def size(text: str) -> int:
    """Return a number of bytes: 16m, 16 * 1024 * 1024 or 16_777_216."""
    factors = [int(x) for x in re.findall(r"\d+", text.replace("_", ""))]
    return prod(factors) * (1024**2 if "m" in text else 1)


def main() -> None:
    """Print the problems and exit with code 1, or print the next commands."""
    answers, root = json.loads(ANSWERS), Path()
    found = list(problems(root, answers))
    for line in found:
        print(f"ERROR: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    left = [name for name in chosen(answers, others=True) if Path(name).exists()]
    if left:
        print(f"Left from other answers; if not needed: rm {' '.join(left)}")
    print(f"{answers['project_slug']} is ready. Next:")
    print(f"  cd {answers['project_slug']}")
    print("  make test    # its own tests")
    print("  make run     # the development server")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C: Cookiecutter prints enough
    main()
