"""Write `copier.yml`: the questions of `cookiecutter.json`, in Copier's own words.

Copier runs no hooks without `--trust`, so that the checks of `hooks/pre_gen_project.py`
become validators. https://copier.readthedocs.io/en/stable/configuring/ describes the
settings that are written here.
"""

import keyword
import sys
from collections.abc import Callable
from typing import Any

import yaml
from slugify import slugify

from scripts import hooks
from tests.projects import ANSWERS, ROOT, load_hook

hook: Any = load_hook("pre_gen_project")

FILE = ROOT / "copier.yml"
OLDEST = "9.5.0"  # the first one with _external_data
HEAD = "# From cookiecutter.json and hooks/, by `make hooks`; do not edit.\n"
QUESTIONS = {name: value for name, value in ANSWERS.items() if name[0] != "_"}
FIRST = next(iter(QUESTIONS))
PROMPTS: dict[str, Any] = ANSWERS["__prompts__"]

# Copier has no slugify: what the library of Cookiecutter's makes of Latin letters.
LATIN = {c: slugify(c) or "-" for c in map(chr, range(0xC0, 0x180))}

# The answer before an update; the new one in a new project.
LAST = "{{% set last = (_external_data.last or {{}}).get({0!r}, {0}) %}}"


def matches(name: str, pattern: str) -> str:
    """Return an expression for `re.fullmatch`."""
    whole = rf"^(?:{pattern})\Z"
    return f"({name} | regex_search({whole!r}))"


def refuse(condition: str, message: str, name: str) -> str:
    """Return a template that says why a value is refused, on a condition.

    Args:
        condition: An expression.
        message: What to say, with %r for the value.
        name: The variable that has the value.

    """
    text = f"{{{{ {message + '. '!r} | format({name}) }}}}"
    return f"{{% if {condition} %}}{text}{{% endif %}}"


IS_NO_SLUG = (
    f"project_slug | length > {hook.SLUG_LENGTH} "
    f"or not {matches('project_slug', hook.SLUG)}"
)
IS_TAKEN = "project_slug in taken"

# A default that is refused would end the questions with a traceback.
SLUG_DEFAULT = (
    f"{{% set words = project_name.translate(''.maketrans({LATIN!r})) | lower "
    "| regex_replace('[^a-z0-9]+', '-') %}"
    f"{{% set project_slug = words.strip('-')[:{hook.SLUG_LENGTH}].strip('-') %}}"
    f"{{{{ 'my-service' if {IS_NO_SLUG} "
    f"else project_slug[:{hook.SLUG_LENGTH - 4}] ~ '-api' if {IS_TAKEN} "
    "else project_slug }}"
)


def taken() -> list[str]:
    """Return the short names that are refused.

    Pythons differ in their modules: a name that the file has stays in it, so that it
    does not depend on the one that writes it.
    """
    names = {*keyword.kwlist, *keyword.softkwlist, *sys.stdlib_module_names}
    names |= {*hook.TAKEN, *hook.LOCKED}
    before = yaml.safe_load(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    kept = before.get("taken", {}).get("default", [])
    return sorted({*kept, *(n.replace("_", "-") for n in names if n[0].islower())})


def check_slug() -> str:
    """Return the checks of the short name."""
    rule = (
        f"must be a-z, 0-9, single hyphens, a letter first, up to {hook.SLUG_LENGTH} "
        "long, not %r; use for example my-service"
    )
    taken = "%r is taken by Python, the project or servers; add '-api' to it"
    # Copier would leave out what the owner has changed.
    moved = "must stay %r in an update; copy the template anew for another project"
    return (
        refuse(IS_NO_SLUG, rule, "project_slug")
        + refuse(IS_TAKEN, taken, "project_slug")
        + LAST.format("project_slug")
        + refuse("last != project_slug", moved, "last")
    )


def check_address() -> str:
    """Return the check of the email address."""
    rule = "must be an address such as me@example.com, or empty, not %r"
    address = matches("author_email", f"(?ai:{hook.ADDRESS})")
    return refuse(f"author_email and not {address}", rule, "author_email")


def check_hosts() -> str:
    """Return the check of the host names."""
    rule = "must be host names in lower case, not %r; use for example shop.example.com"
    each = refuse(f"not {matches('host', hook.HOST)}", rule, "host")
    return f"{{% for host in server_name.split(' ') %}}{each}{{% endfor %}}"


def check_text(name: str) -> str:
    """Return the checks of a line of free text."""
    limit = hook.TEXTS[name]
    spaces = "must not begin or end with spaces, as %r does"
    length = f"must have at most {limit} characters, not %r"
    rules = refuse(f"{name} != {name}.strip()", spaces, name)
    rules += refuse(f"{name} | length > {limit}", length, f"{name} | length")
    if name == "project_name":
        rules += refuse(f"not {name}.strip()", "must not be blank, as %r is", name)
    return rules


CHECKS: dict[str, Callable[[], str]] = {
    "project_slug": check_slug,
    "author_email": check_address,
    "server_name": check_hosts,
}


def check_given() -> str:
    """Return a check that each answer that was given has a question.

    Names of Cookiecutter's own are allowed: its file of answers has them.
    """
    rule = f"there is no question %r; use {', '.join(QUESTIONS)}"
    known = f"name in {list(QUESTIONS)!r} or name[0] == '_'"
    each = refuse(f"not ({known})", rule, "name")
    return f"{{% for name in _copier_conf.data %}}{each}{{% endfor %}}"


def check_last(name: str) -> str:
    """Return a check that an update does not replace an answer without being told.

    Copier does so with one that it cannot take any more, without a word.
    """
    rule = f"%r cannot be used any more; choose another with --data {name}=VALUE"
    unasked = f"_copier_conf.defaults and {name!r} not in _copier_conf.data"
    return LAST.format(name) + refuse(f"last != {name} and {unasked}", rule, "last")


def validator(name: str) -> str:
    """Return the checks of a question: what they render to is wrong with its answer."""
    rules = check_last(name)
    if not isinstance(QUESTIONS[name], list):
        rules = (CHECKS[name]() if name in CHECKS else check_text(name)) + rules
        message = "must be one line without control characters, not %a"
        control = refuse("control", message, name)
        found = f"{{% set control = {name} | regex_search({hook.CONTROL!r}) %}}"
        rules = f"{found}{control}{{% if not control %}}{rules}{{% endif %}}"
    return check_given() + rules if name == FIRST else rules


def question(name: str) -> dict[str, Any]:
    """Return a question."""
    default, prompt = QUESTIONS[name], PROMPTS[name]
    common = {"type": "str", "validator": validator(name)}
    if isinstance(default, list):
        choices = {prompt.get(value, value): value for value in default}
        return {
            "help": prompt["__prompt__"],
            "choices": choices,
            "default": default[0],
            **common,
        }
    default = SLUG_DEFAULT if name == "project_slug" else default
    return {"help": prompt, "default": default, **common}


def context() -> str:
    """Return a template for what Cookiecutter calls `cookiecutter`, as JSON."""
    pairs = ", ".join(f"{name!r}: {name}" for name in QUESTIONS)
    private = {k: v for k, v in ANSWERS.items() if k.startswith("__")}
    del private["__prompts__"]
    values = [
        f"{{% set value %}}{text}{{% endset %}}"
        f"{{% set _ = cookiecutter.update({{{name!r}: value}}) %}}"
        for name, text in {**private, "__parts": "templates/"}.items()
    ]
    start = f"{{% set cookiecutter = {{{pairs}}} %}}"
    return "".join([start, *values, "{{ cookiecutter | tojson }}"])


def removed() -> str:
    """Return a template that lists the files that go because of another choice."""
    files = {
        name: {choice: "\n  ".join(paths) for choice, paths in choices.items()}
        for name, choices in hooks.files().items()
    }
    # Files of one choice go with it; those of all others come with another one.
    lists = (
        LAST.format(name)
        + f"{{% set files = {lines!r}.get(last) or {lines!r}.get('!' ~ {name}) %}}"
        + f"{{% if files and last != {name} %}}"
        + f"{name} was {{{{ last }}}}. These files are removed, with what you have "
        + "changed in them; `git show HEAD:FILE` shows it:\n"
        + "  {{ files | replace('{p}', cookiecutter.__package) }}\n"
        + "{% endif %}"
        for name, lines in files.items()
    )
    return "".join(lists)


def written() -> str:
    """Return the text of the file."""
    settings = {
        "_min_copier_version": OLDEST,
        "_subdirectory": "{% raw %}{{cookiecutter.project_slug}}{% endraw %}",
        "_templates_suffix": "",
        "_envops": {**ANSWERS["_jinja2_env_vars"], "keep_trailing_newline": True},
        "_exclude": ["__pycache__", "*.py[co]"],
        "_external_data": {"last": "{{ _copier_conf.answers_file }}"},
        "_message_after_copy": "{{ project_slug }} is ready. Next:\n"
        "  cd {{ _copier_conf.dst_path }}\n"
        "  make test    # its own tests\n"
        "  make run     # the development server\n",
        "_message_after_update": "{{ removed }}"
        "See `git status`: conflicts are marked in the files, or are in FILE.rej.\n"
        "If pyproject.toml has changed, run `make lock`.\n",
    }
    hidden = {"type": "json", "when": False}
    whole = (
        settings
        | {"taken": hidden | {"default": taken()}}
        | {name: question(name) for name in QUESTIONS}
        | {"cookiecutter": hidden | {"default": context()}}
        # Known before the update only: then, the answers in the file are the new ones.
        | {"removed": {"type": "str", "when": False, "default": removed()}}
    )
    return HEAD + yaml.safe_dump(whole, allow_unicode=True, sort_keys=False, width=88)


def main() -> None:
    """Write the file."""
    FILE.write_text(written(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
