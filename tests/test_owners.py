"""What an owner changes does not break the tests of the project."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, Project

APPLICATIONS = Path(__file__).parent / "applications"
NEED = """
    app.config["OWN_API_URL"]

    return app
"""
START = """
    app.config.setdefault("DATABASE", app.instance_path + "/notes.sqlite")
    os.makedirs(app.instance_path, exist_ok=True)
    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(notes.bp)
    app.add_url_rule("/", endpoint="index")

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


def move_in(project: Project) -> None:
    """Copy the application of a tutorial, as it is."""
    package = project.path / project.package
    remove_the_pages(project)
    source = APPLICATIONS / "tutorial"
    shutil.copytree(source, package, dirs_exist_ok=True, ignore=lambda *_: ["tests"])
    tests = (source / "tests" / "test_notes.py").read_text()
    tests = tests.replace("PACKAGE", project.package)
    (project.path / "tests" / "test_notes.py").write_text(tests)
    edit(
        factory(project),
        ("import errors", "import auth, db, errors"),
        ("log, proxy", "log, notes, proxy"),
        (r'^(""".*"""\n)', r"\1\nimport os\n"),
        (r"\n    return app\n", START),
    )


# What an owner does, in which project, and the settings that failing tests name.
BARS: dict[Callable[[Project], None], tuple[str, str, set[str]]] = {
    redirect_the_home_page: ("waitress", "cfg", set()),
    remove_the_pages: ("uwsgi", "object", set()),
    replace_base_html: ("gunicorn", "toml", set()),
    change_settings: ("waitress", "env", {"MAX_CONTENT_LENGTH", "TRUSTED_HOSTS"}),
    need_a_setting: ("uwsgi", "cfg", {"OWN_API_URL"}),
    move_in: ("gunicorn", "object", set()),
}


@pytest.mark.parametrize("change", BARS, ids=lambda change: change.__name__)
def test_the_tests_pass_or_name_the_setting(
    change: Callable[[Project], None], bake: Bake, tmp_path: Path
) -> None:
    """Whatever an owner does with what is theirs."""
    server, layout, names = BARS[change]
    project = bake(wsgi_server=server, config_layout=layout)
    copy = Project(tmp_path / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    change(copy)
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
