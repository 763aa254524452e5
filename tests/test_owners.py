"""What an owner changes does not break the tests of the project."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Bake
from tests.projects import ANSWERS, PYTHON, Project

APPLICATIONS = Path(__file__).parent / "applications"
NEED = """
    app.config["OWN_API_URL"]

    return app
"""
REDIRECT = """

@bp.get("/login")
def login() -> str:
    return "Log in"
"""


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts in a file: each of them must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        text, number = re.subn(old, new, text)
        assert number, f"{old} is not in {path}"
    path.write_text(text, encoding="utf-8")


def factory(project: Project) -> Path:
    """Return the file of `create_app`."""
    return project.path / project.package / "__init__.py"


def redirect_the_home_page(project: Project) -> None:
    """Show pages only to those who have logged in."""
    (project.path / "tests" / "test_pages.py").unlink()
    edit(
        project.path / project.package / "pages.py",
        (r"return render_template\(.*\)", 'return redirect("/login")'),
        ("-> str", "-> Response"),
        ("current_app, render_template", "redirect"),
        (r"\nbp = ", "from werkzeug import Response\n\nbp = "),
        (r"\Z", REDIRECT),
    )


def remove_the_pages(project: Project) -> None:
    """Have an API without pages."""
    package = project.path / project.package
    for name in ("pages.py", "templates/home.html", "templates/description.html"):
        (package / name).unlink()
    (project.path / "tests" / "test_pages.py").unlink()
    edit(factory(project), (", pages", ""), (r"    pages\.init_app\(app\)\n", ""))


def replace_base_html(project: Project) -> None:
    """Use one with other blocks."""
    (project.path / project.package / "templates" / "base.html").write_text(
        "<!doctype html>\n<title>{% block page_title %}Ours{% endblock %}</title>\n"
        '<link rel="stylesheet" href="/static/style.css">\n'
        "<h1>Ours</h1>\n{% block page %}{% endblock %}\n"
    )


def change_settings(project: Project) -> None:
    """Change three that nearly every owner changes."""
    changes = {
        r'(LOG_LEVEL"?(?: = |: ))"INFO"': r'\1"ERROR"',
        r'(MAX_CONTENT_LENGTH"?(?: = |: ))(16 \* 1024 \* 1024|16_777_216)': r"\g<1>9",
        r'"example.com"': '"intra.example.net"',
        r'"localhost",\s+': "",
    }
    for path in (project.path / project.package / "config").iterdir():
        text = path.read_text(encoding="utf-8")
        if path.name in {"kinds.py", "checks.py"}:
            continue
        for old, new in changes.items():
            text = re.sub(old, new, text)
        path.write_text(text, encoding="utf-8")


def need_a_setting(project: Project) -> None:
    """Use one that only the settings file on a host has."""
    edit(factory(project), (r"\n    return app\n", NEED))


def guide(project: Project) -> list[str]:
    """Return the code in the guide for scripts and tutorials."""
    text = (project.path / "docs" / "from-a-script.md").read_text()
    blocks = re.findall(r"^   ```python\n(.*?)^   ```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks]


def move_a_script_in(project: Project) -> None:
    """Follow the guide with a script that has options and a settings file."""
    remove_the_pages(project)
    package = project.path / project.package
    init_app, register, _ = guide(project)
    text = (APPLICATIONS / "script.py").read_text()
    text = re.sub(r"import argparse\nimport os\n\n", "", text)
    text = re.sub(r"@app.before_first_request\n(def \w+)\(\)", r"\1(app)", text)
    text, _, views = text.partition("@app.route")
    text = text.replace("import Flask,", "import Blueprint, current_app,")
    text = re.sub(
        r"^app = (.*\n)+?\n",
        'bp = Blueprint("site", __name__)\n\n',
        text,
        flags=re.MULTILINE,
    )
    views = f"@app.route{views}".partition('\n\nif __name__ == "__main__"')[0]
    views = views.replace("@app.", "@bp.").replace('url_for("', 'url_for(".')
    views = re.sub(r"\bapp\.", "current_app.", views)
    (package / "site.py").write_text(f"{text}{init_app}\n\n{views}")
    home = (APPLICATIONS / "templates" / "home.html").read_text()
    home = home.replace("url_for('", "url_for('.")
    (package / "templates" / "home.html").write_text(home)
    edit(
        factory(project),
        ("log, proxy", "log, proxy, site"),
        (r"\n    return app\n", f"\n{register}\n    return app\n"),
    )
    defaults = package / "config" / "default.cfg"
    edit(defaults, (r"\Z", 'NAMES = "/dev/null"\nGREETING = "Hello"\n'))


def move_a_tutorial_in(project: Project) -> None:
    """Follow the guide with an application that has blueprints and SQLite."""
    remove_the_pages(project)
    package = project.path / project.package
    source = APPLICATIONS / "tutorial"
    shutil.copytree(source, package, dirs_exist_ok=True, ignore=lambda *_: ["tests"])
    tests = (source / "tests" / "test_notes.py").read_text()
    tests = tests.replace("PACKAGE", project.package)
    (project.path / "tests" / "test_notes.py").write_text(tests)
    *_, start = guide(project)
    edit(
        factory(project),
        ("import csp, errors", "import auth, csp, db, errors"),
        ("log, proxy", "log, notes, proxy"),
        (r"(?m)^(from __future__.*\n)", r"\1\nimport os\n"),
        (r"\n    return app\n", f"\n{start}\n    return app\n"),
    )


# What an owner does, in which project, and the settings that failing tests name.
BARS: dict[Callable[[Project], None], tuple[str, str, set[str]]] = {
    redirect_the_home_page: ("waitress", "cfg", set()),
    remove_the_pages: ("uwsgi", "object", set()),
    replace_base_html: ("gunicorn", "toml", set()),
    change_settings: ("waitress", "env", {"MAX_CONTENT_LENGTH", "TRUSTED_HOSTS"}),
    need_a_setting: ("uwsgi", "toml", {"OWN_API_URL"}),
    move_a_script_in: ("waitress", "cfg", set()),
    move_a_tutorial_in: ("gunicorn", "object", set()),
}


def changed(
    change: Callable[[Project], None], bake: Bake, directory: Path
) -> tuple[Project, set[str]]:
    """Return a project that is changed, and the settings that failing tests name."""
    server, layout, names = BARS[change]
    project = bake(wsgi_server=server, config_layout=layout)
    copy = Project(directory / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    change(copy)
    return copy, names


@pytest.mark.slow
@pytest.mark.parametrize("change", BARS, ids=lambda change: change.__name__)
def test_the_tests_pass_or_name_the_setting(
    change: Callable[[Project], None], bake: Bake, tmp_path: Path
) -> None:
    """Whatever an owner does with what is theirs."""
    copy, names = changed(change, bake, tmp_path)
    report = tmp_path / "report.xml"
    copy.run(
        *("sh", "-c", '"$@" || [ $? -eq 1 ]', "sh", PYTHON, "-m", "pytest", "-q"),
        *("-p", "no:cacheprovider", f"--junit-xml={report}"),
        *("-o", "junit_logging=all"),
        PYTHONPATH=str(copy.path),
    )
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 - our own
    failed = {
        str(case.get("name")): "".join(case.itertext())
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    other = {n: t for n, t in failed.items() if not any(x in t for x in names)}
    assert not other, "\n".join(f"{name}\n{text}" for name, text in other.items())
    assert bool(failed) == bool(names)


@pytest.mark.parametrize("change", [move_a_script_in, move_a_tutorial_in])
def test_lint_finds_nothing_in_what_owners_write(
    change: Callable[[Project], None], bake: Bake, tmp_path: Path
) -> None:
    """After `make format`: without docstrings and annotations."""
    copy, _ = changed(change, bake, tmp_path)
    ruff = PYTHON.with_name("ruff")
    copy.run(ruff, "check", "--no-cache", "--fix")
    copy.run(ruff, "format", "--no-cache")
    copy.run(ruff, "check", "--no-cache")
    copy.run(PYTHON.with_name("mypy"), "--cache-dir", tmp_path / "cache")


SCRIPT = """
import sys
from my_service import create_app
client = create_app({"ENV": "testing", "CFG": sys.argv[1]}).test_client()
assert "Hi, ada" in client.get("/").text
page = client.post("/greet", data={"name": "ada"}, follow_redirects=True)
assert "Hi, ada!" in page.text
page = client.post("/greet", data={"name": "bob"}, follow_redirects=True)
assert "I do not know bob." in page.text
"""


def test_a_script_that_moved_in_works(bake: Bake, tmp_path: Path) -> None:
    """With its settings file, and its options."""
    copy, _ = changed(move_a_script_in, bake, tmp_path)
    (tmp_path / "names").write_text("ada")
    settings = tmp_path / "settings.cfg"
    text = f"SECRET_KEY = 'of this test'\nGREETING = 'Hi'\nNAMES = '{tmp_path}/names'\n"
    settings.write_text(text)
    copy.run(PYTHON, "-c", SCRIPT, settings)
    options = ("--settings", settings, "--host", "127.0.0.1", "--check")
    said = copy.run(PYTHON, "-m", copy.package, *options).stdout
    assert "would start" in said


def test_a_stale_lock_is_named(bake: Bake, tmp_path: Path) -> None:
    """By `make` and by the tests, before an import fails."""
    copy, _ = changed(remove_the_pages, bake, tmp_path)
    edit(
        copy.path / "pyproject.toml",
        (r"dependencies = \[\n", r'\g<0>  "Flask_Caching[redis]>=2",\n'),
        (r"test = \[", r'\g<0>"pytest-cov", "pytest>=99", '),
    )
    edit(factory(copy), ("from flask import Flask", r"import flask_caching\n\g<0>"))
    python = copy.path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(PYTHON)
    (copy.path / ".venv" / "done").touch()  # as if `make` had been run before
    said = "requirements.txt does not have what pyproject.toml asks for (flask-caching)"
    for command in (("make", "run"), ("make", "test"), (PYTHON, "-m", "pytest")):
        result = subprocess.run(
            [*command], cwd=copy.path, capture_output=True, check=False, text=True
        )
        assert result.returncode != 0
        output = result.stdout + result.stderr
        assert f"{said}: run make lock" in output
        assert "requirements-dev.txt does not have" in output
        assert "(pytest-cov, pytest>=99 instead of " in output
        assert "ModuleNotFoundError" not in output


PLUGIN = """
import warnings
warnings.warn("this plugin is old", DeprecationWarning)
"""
LIBRARY = """
import warnings

def old():
    warnings.warn("use new()", DeprecationWarning)
"""
TESTS = """
import warnings
import old_library
import pytest

def test_library():
    old_library.old()

def test_own():
    with pytest.raises(DeprecationWarning):
        warnings.warn("ours", DeprecationWarning)
"""


def test_only_warnings_of_the_project_are_errors(bake: Bake, tmp_path: Path) -> None:
    """Not those of a library, of a plugin, and of old escapes in strings."""
    copy, _ = changed(remove_the_pages, bake, tmp_path)
    (copy.path / "old_plugin.py").write_text(PLUGIN)
    (copy.path / "old_library.py").write_text(LIBRARY)
    (copy.path / copy.package / "old.py").write_text(r"PATTERN = '\_'")
    edit(factory(copy), ("import csp, errors", "import csp, errors, old"))
    (copy.path / "tests" / "test_old.py").write_text(TESTS)
    said = copy.run(
        *(PYTHON, "-m", "pytest", "-p", "old_plugin", "-k", "test_old or health"),
        PYTHONPATH=str(copy.path),
    ).stdout
    assert "this plugin is old" in said
    assert "use new()" in said
    assert f"{copy.package}/old.py:1" in said


def move_a_blog_in(project: Project) -> None:
    """Follow the guide with Flask-SQLAlchemy's models and Flask-Migrate's history."""
    package = project.path / project.package
    remove = (project.path / "docs" / "remove.md").read_text()
    [commands] = re.findall(r"\(`topics`\)\n.*?```sh\n(.*?)```", remove, re.DOTALL)
    project.run("sh", "-ec", commands)
    text = (project.path / "docs" / "from-a-script.md").read_text()
    text = text.partition("## Move an application with models")[2]
    blocks = re.findall(r"^   ```python\n(.*?)^   ```$", text, re.MULTILINE | re.DOTALL)
    named, imports, *_ = blocks
    assert '__tablename__ = "user"' in named
    source = APPLICATIONS / "blog"
    models = (source / "models.py").read_text()
    models = models.replace("from flask_sqlalchemy import SQLAlchemy\n\n", "")
    models = models.replace("db = SQLAlchemy()", "\nfrom .database import Base")
    models = re.sub(
        r"class (\w+)\(db\.Model\):",
        lambda match: (
            f"class {match[1]}(Base):\n    __tablename__ = {match[1].lower()!r}\n"
        ),
        models,
    )
    models = models.replace("index=True, default", "sa.DateTime, index=True, default")
    (package / "models.py").write_text(models)
    views = (source / "blog.py").read_text()
    views = re.sub(r"from app import .*\nfrom app.models .*\n", "", views)
    views = views.replace("\nbp = ", f"{re.sub('(?m)^   ', '', imports)}\nbp = ")
    (package / "blog.py").write_text(views.replace("db.session", "session()"))
    shutil.copytree(source / "templates", package / "templates", dirs_exist_ok=True)
    versions = Path("migrations", "versions")
    shutil.copytree(source / versions, package / versions, dirs_exist_ok=True)
    edit(
        factory(project),
        ("        topics,\n", "        blog,\n"),
        (r"    topics\.init_app\(app\)", "    app.register_blueprint(blog.bp)"),
    )


MOVED = """
from datetime import datetime
from sqlalchemy import text
from my_service import create_app
from my_service.database import session

app = create_app("development")
client = app.test_client()
assert "<li>ana: an old one</li>" in client.get("/blog/").text
form = {"name": "ana", "body": "a new one"}
assert client.post("/blog/", data=form).status_code == 302
assert "<li>ana: a new one</li>" in client.get("/blog/").text
assert client.post("/blog/", data=form | {"name": "nobody"}).status_code == 302
with app.app_context():
    assert session().scalar(text("SELECT count(*) FROM post")) == 2
    assert session().scalar(text("SELECT version_num FROM alembic_version")) == "9c02"
"""


@pytest.mark.slow
def test_an_application_with_a_history_of_migrations_moves_in(
    bake: Bake, tmp_path: Path
) -> None:
    """With the data of a database that is two revisions old."""
    if "sqlite" not in ANSWERS["database"]:
        pytest.skip("this template has no SQLite")
    project = bake(database="sqlite").copy_to(tmp_path)
    move_a_blog_in(project)
    file = tmp_path / "blog.sqlite"
    env = {
        f"{project.prefix}ENV": "development",
        f"{project.prefix}DATABASE_URL": f"sqlite:///{file}",
        "PYTHONPATH": str(project.path),
    }
    variables = [f"{name}={value}" for name, value in env.items()]
    python: list[str | Path] = ["env", *variables, PYTHON]
    database = (*python, "-m", "flask", "--app", project.package, "db")
    project.run(*database, "upgrade", "77be")
    with contextlib.closing(sqlite3.connect(file)) as old, old:
        old.execute("INSERT INTO user (id, name) VALUES (7, 'ana')")
        old.execute(
            "INSERT INTO post (body, timestamp, user_id) "
            "VALUES ('an old one', '2026-01-02 03:04:05.000000', 7)"
        )
    project.run(*database, "upgrade", "head")
    project.run(*python, "-c", MOVED)
    command = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    project.run(*command, PYTHONPATH=str(project.path))
