"""Write the lists that the hooks hold: a hook can read neither the template nor a lock.

- `CHOICES`: the choices of each question, from `cookiecutter.json`,
- `FILES`: the files of each choice, from their names in the project's directory,
- `LOCKED`: what rendered projects install, from the locks.
"""

import json
import re
import subprocess
import sys
import textwrap
from importlib.metadata import packages_distributions

from tests.projects import ANSWERS, ROOT

HOOKS = ROOT / "hooks"
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
TEMPLATES = ROOT / "templates"

# The name of a file that exists for one choice only, or for all but one.
CONDITION = re.compile(
    r"\{% if cookiecutter\.(\w+) (==|!=) '([^']+)' %\}(.+)\{% endif %\}"
)


def choices() -> dict[str, list[str]]:
    """Return the choices of each question."""
    return {name: value for name, value in ANSWERS.items() if isinstance(value, list)}


def unfinished() -> list[str]:
    """Return the folders that choices lack."""
    questions = [path.name for path in TEMPLATES.iterdir() if path.name in choices()]
    folders = [
        TEMPLATES / name / item for name in questions for item in choices()[name]
    ]
    return [f"{path.relative_to(ROOT)}" for path in folders if not path.is_dir()]


def files() -> dict[str, dict[str, list[str]]]:
    """Return the files of each choice, "!" for all but it; {p} is the package."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(PROJECT.rglob("*")):
        if match := CONDITION.fullmatch(path.name):
            question, operator, value, name = match.groups()
            file = (path.parent.relative_to(PROJECT) / name).as_posix()
            file = file.replace("{{cookiecutter.__package}}", "{p}")
            choice = value if operator == "==" else f"!{value}"
            found.setdefault(question, {}).setdefault(choice, []).append(file)
    return {
        question: {choice: sorted(names[choice]) for choice in sorted(names)}
        for question, names in sorted(found.items())
    }


def locked_names() -> set[str]:
    """Return the distributions in the locks of projects, and their import packages.

    The packages are those of the distributions that are installed here.
    """
    locks = [
        *TEMPLATES.glob("requirements/*.txt"),
        *TEMPLATES.glob("*/*/requirements.txt"),
    ]
    text = "".join(lock.read_text() for lock in locks)
    names = set(re.findall(r"^[a-z0-9-]+(?===)", text, re.MULTILINE))
    for package, distributions in packages_distributions().items():
        if names & {name.lower().replace("_", "-") for name in distributions}:
            names.add(package.lower().replace("_", "-"))
    return {name for name in names if re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name)}


def replace(text: str, name: str, value: str) -> str:
    """Return a program with another value of a constant."""
    pattern = rf"^{name} = .*?\n(?=\n)"
    flags = re.MULTILINE | re.DOTALL
    return re.sub(pattern, lambda _: f"{name} = {value}\n", text, flags=flags)


def written(name: str, text: str) -> str:
    """Return a hook with its lists up to date, formatted."""
    if name == "pre_gen_project.py":
        lines = textwrap.wrap(
            " ".join(sorted(locked_names())), 75, break_on_hyphens=False
        )
        strings = " ".join(json.dumps(f"{line} ") for line in lines[:-1])
        last = json.dumps(lines[-1])
        text = replace(text, "LOCKED", f"frozenset({strings} {last}.split())")
        text = replace(text, "CHOICES", repr(choices()))
    else:
        text = replace(text, "FILES", repr(files()))
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--stdin-filename",
        f"hooks/{name}",
    ]
    return subprocess.run(
        [*command, "-"],
        check=True,
        cwd=ROOT,
        input=text,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def main() -> None:
    """Write the lists; refuse a choice that is not finished."""
    if lacking := unfinished():
        sys.exit(
            "\n".join(f"{folder}: missing; see CONTRIBUTING.md" for folder in lacking)
        )
    for path in sorted(HOOKS.glob("*.py")):
        path.write_text(written(path.name, path.read_text()))


if __name__ == "__main__":
    main()
