"""What is rendered, as it is: never repaired before it is checked."""

import ast
import configparser
import itertools
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.conftest import Bake
from tests.projects import ANSWERS, LAYOUTS, PYTHON, ROOT, SERVERS, Project

COMMON = """
.gitattributes .gitignore .pre-commit-config.yaml AGENTS.md LICENSE Makefile README.md
SECURITY.md pyproject.toml requirements.txt requirements-build.txt requirements-dev.txt
docs/content-security-policy.md docs/decisions.md docs/first-deployment.md
docs/from-a-script.md docs/long-requests.md docs/make-it-yours.md docs/remove.md
deploy/README.md deploy/SLUG.service deploy/SLUG.socket deploy/error.html
deploy/install deploy/installer.py deploy/maintenance.html
deploy/nginx-default.conf deploy/nginx.conf
deploy/rollback deploy/uninstall
deploy/machine/__init__.py deploy/machine/commands.py deploy/machine/files.py
deploy/machine/health.py deploy/machine/logs.py deploy/machine/messages.py
deploy/machine/names.py deploy/machine/needs.py deploy/machine/nginx.py
deploy/machine/owner.py deploy/machine/releases.py deploy/machine/shared.py
deploy/machine/sites.py deploy/machine/steps.py deploy/machine/switch.py
deploy/machine/units.py
PKG/__init__.py PKG/__main__.py PKG/check.py PKG/csp.py PKG/errors.py PKG/headers.py
PKG/health.py PKG/lines.py PKG/log.py PKG/pages.py PKG/py.typed PKG/proxy.py
PKG/server.py PKG/streams.py PKG/wsgi.py
PKG/config/__init__.py PKG/config/checks.py PKG/config/kinds.py
PKG/config/layers.py PKG/config/layout.py PKG/config/mask.py PKG/config/policy.py
PKG/config/show.py
PKG/static/icon.svg PKG/static/style.css
PKG/templates/base.html PKG/templates/description.html PKG/templates/error.html
PKG/templates/home.html PKG/templates/name.html
tests/conftest.py tests/lock.py tests/test_check.py tests/test_config.py
tests/test_csp.py tests/test_deploy.py tests/test_errors.py tests/test_factory.py
tests/test_headers.py tests/test_health.py tests/test_installer.py tests/test_lines.py
tests/test_log.py tests/test_main.py tests/test_pages.py tests/test_proxy.py
tests/test_settings.py tests/test_streams.py
"""

DATABASE = """
deploy/backup deploy/database.py deploy/dbtool.py deploy/restore
PKG/csrf.py PKG/database.py PKG/engine.py PKG/models.py PKG/topics.py
PKG/migrations/env.py PKG/migrations/script.py.mako
PKG/migrations/versions/0001.py PKG/templates/topics.html
tests/test_backup.py tests/test_database.py tests/test_dbtool.py tests/test_engine.py
tests/test_topics.py tests/throwaway.py
"""

CHOSEN = {
    "waitress": "tests/test_waitress.py",
    "uwsgi": "PKG/uwsgi.ini PKG/uwsgi_main.py tests/test_uwsgi.py",
    "gunicorn": "PKG/gunicorn.conf.py tests/test_gunicorn.py",
    "cfg": "PKG/config/default.cfg PKG/config/development.cfg "
    "PKG/config/production.cfg PKG/config/testing.cfg",
    "object": "PKG/config/settings.py",
    "toml": "PKG/config/settings.toml",
    "env": "PKG/config/defaults.py .env.example tests/test_dotenv.py",
    "github": ".github/workflows/ci.yml .github/dependabot.yml",
    "gitlab": ".gitlab-ci.yml",
    "none": "",
    "sqlite": DATABASE,
    "postgresql": DATABASE,
}

# Answers of which nothing is a default one, and the longest and shortest names.
OTHER = {
    "project_name": "Bestellungen & Rechnungen",
    "project_slug": "order-api",
    "description": "Takes orders",
    "author_name": "Ada Lovelace",
    "author_email": "ada@orders.test",
    "server_name": "orders.test www.orders.test",
    "https": "yes",
    "license": "Apache-2.0",
    "ci": "gitlab",
}
LONG = "a-name-as-long-as-is-allowed30"
NAMES = ["a", "zz-top", LONG]


def choices() -> list[tuple[str, str]]:
    """Return every choice of every question but those that make the products."""
    return [
        (name, choice)
        for name, values in ANSWERS.items()
        if isinstance(values, list) and name not in {"wsgi_server", "config_layout"}
        for choice in values
    ]


def test_exactly_the_files_of_the_choices_are_there(project: Project) -> None:
    """No more, no less, and none of another choice."""
    check_files(project)


@pytest.mark.parametrize(("name", "choice"), choices())
def test_every_choice_renders_its_files(name: str, choice: str, bake: Bake) -> None:
    """Each choice of each question is covered, and parses."""
    project = bake(**{name: choice})
    check_files(project)
    check_text(project)
    check_parses(project)


def check_files(project: Project) -> None:
    """Compare the files with those that the answers promise."""
    names = COMMON
    for question in ("wsgi_server", "config_layout", "database", "ci"):
        names += " " + CHOSEN[project.answers[question]]
    names = names.replace("PKG", project.package).replace("SLUG", project.slug)
    expected = names.split()
    assert sorted(path.as_posix() for path in project.files()) == sorted(expected)


def test_the_text_is_clean(project: Project) -> None:
    """No leftovers of the template, no stray white space."""
    check_text(project)


def check_text(project: Project) -> None:
    """Look at every line of every file."""
    for path in project.files():
        text = (project.path / path).read_text(encoding="utf-8")
        assert "cookiecutter" not in text, path
        if path.suffix != ".html" and path.name != "test_errors.py":  # has templates
            code = re.sub(r"```html\n.*?```", "", text, flags=re.DOTALL)
            assert not re.search(r"\{%|%\}|\{\{|\{#", code.replace("${{", "")), path
        lines = text.splitlines()
        assert not [line for line in lines if line != line.rstrip()], path
        assert "\r" not in text, path
        assert text == "" or text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not text.startswith("\n"), path
        assert "\n\n\n\n" not in text, path
        assert path.name == "Makefile" or "\t" not in text, path


def read_ini(path: Path) -> None:
    """Read an INI file in which a key may occur twice."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(path.read_text())
    assert parser.sections()


def read_requirements(path: Path) -> None:
    """Every requirement is pinned to a version and to hashes."""
    text = path.read_text()
    for block in re.findall(r"^[A-Za-z].*(?:\n +.*)*", text, re.MULTILINE):
        assert re.match(r"[a-z0-9-]+==[^ ]+ ", block), block
        assert "--hash=sha256:" in block
    assert "://" not in text


PARSERS: dict[str, Callable[[Path], object]] = {
    ".py": lambda path: ast.parse(path.read_text()),
    ".cfg": lambda path: ast.parse(path.read_text()),
    ".toml": lambda path: tomllib.loads(path.read_text()),
    ".ini": read_ini,
    ".yaml": lambda path: yaml.safe_load(path.read_text()),
    ".yml": lambda path: yaml.safe_load(path.read_text()),
    ".json": lambda path: json.loads(path.read_text()),
    ".svg": ET.parse,
    ".txt": read_requirements,
}


def test_every_file_parses_by_its_own_parser(project: Project) -> None:
    """Pages are parsed as they are served, in the project's own tests and below."""
    check_parses(project)


def check_parses(project: Project) -> None:
    """Parse what has a parser."""
    for path in project.files():
        if parse := PARSERS.get(path.suffix):
            parse(project.path / path)


@pytest.mark.parametrize("slug", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("server", SERVERS)
def test_it_is_formatted_for_short_and_long_names(
    slug: str, layout: str, server: str, bake: Bake
) -> None:
    """Ruff finds nothing to say or to change, however long the names are."""
    check_ruff(bake(project_slug=slug, wsgi_server=server, config_layout=layout))


def test_it_is_formatted_and_clean(project: Project) -> None:
    """Ruff has nothing to say or to change, with every rule and with the owner's."""
    check_ruff(project)


def check_ruff(project: Project) -> None:
    """Run ruff with every rule, and with the project's own settings."""
    ruff = PYTHON.with_name("ruff")
    check = (ruff, "check", "--no-cache", "--no-fix", "--output-format=concise")
    project.run(*check, "--config", ROOT / "judges" / "rendered-ruff.toml")
    project.run(*check)
    project.run(ruff, "format", "--no-cache", "--diff")


def test_nothing_of_the_default_answers_stays_behind(bake: Bake) -> None:
    """Other answers reach every place."""
    servers = itertools.product(SERVERS, LAYOUTS)
    defaults = bake().answers
    old = [str(defaults[k]) for k in ("project_name", "project_slug", "__package")]
    old += [str(defaults["__prefix"]), str(defaults["server_name"])]
    for server, layout in servers:
        project = bake(**OTHER, wsgi_server=server, config_layout=layout)
        assert project.path.name == OTHER["project_slug"]
        for path in project.files():
            text = f"{path}\n{(project.path / path).read_text()}"
            assert not [answer for answer in old if answer in text], path


def test_the_answers_reach_the_metadata(bake: Bake) -> None:
    """Name, description, author, licence."""
    project = bake(**OTHER)
    metadata = tomllib.loads((project.path / "pyproject.toml").read_text())["project"]
    assert metadata["name"] == OTHER["project_slug"]
    assert metadata["description"] == OTHER["description"]
    assert metadata["license"] == OTHER["license"]
    assert metadata["authors"] == [
        {"name": OTHER["author_name"], "email": OTHER["author_email"]}
    ]
    assert metadata["scripts"] == {"order-api": "order_api.__main__:main"}


def test_files_have_names_that_every_system_can_check_out() -> None:
    """No character that Windows refuses, and no path too long for it."""
    root = Path(__file__).parents[1]
    template = root / "{{cookiecutter.project_slug}}"
    for path in template.rglob("*"):
        name = path.relative_to(root).as_posix()
        assert not re.search(r'[<>"|?*:\\]', name), name
        assert len(name) < 140, name


def test_every_question_and_choice_has_a_label() -> None:
    """Each question and each choice has one."""
    labels = ANSWERS["__prompts__"]
    for name, value in ANSWERS.items():
        if name.startswith("_"):
            continue
        assert labels[name], name
        if isinstance(value, list):
            assert set(labels[name]) == {"__prompt__", *value}, name
        assert not isinstance(value, bool), name
