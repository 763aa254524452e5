"""The guides in a rendered project are followed, and what they show works."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import ANSWERS, LAYOUTS, PYTHON, ROOT, SERVERS, Project

ASK = """
from {package} import create_app
app = create_app({{"TESTING": True}})
client = app.test_client()
page = client.get("/orders/")
assert page.status_code == 200, page.text
assert "<h1>Hello</h1>" in page.text
assert 'href="/orders/1.json"' in page.text
assert client.get("/orders/1.json").json == {{"number": 1, "what": "tea"}}
problem = client.get("/orders/3.json", headers={{"Accept": "application/json"}})
assert problem.content_type == "application/problem+json"
assert client.get("/readyz").json["checks"] == {{"orders": "ok"}}
"""


def blocks(text: str) -> list[str]:
    """Return the code blocks of a guide."""
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def copy_of(project: Project, directory: Path) -> Project:
    """Return a copy of a project that may be changed."""
    copy = Project(directory / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    return copy


PARTS = [
    *((part, "none") for part in ("pages", "errors", "log", "")),
    ("topics", "sqlite"),
    pytest.param("topics", "postgresql", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("part", "database"), PARTS)
def test_the_guide_to_remove_works(
    part: str, database: str, bake: Bake, tmp_path: Path
) -> None:
    """What is left has no lint findings and passes its tests, without each part."""
    project = bake(wsgi_server=SERVERS[0], config_layout=LAYOUTS[0], database=database)
    copy = copy_of(project, tmp_path)
    guide = (copy.path / "docs" / "remove.md").read_text()
    heading = rf"\(`{part}`\)" if part else "nginx and systemd"
    (section,) = re.findall(
        rf"^## .*{heading}\n(.*?)(?=^## )", guide, re.MULTILINE | re.DOTALL
    )
    (command,) = blocks(section)
    copy.run("sh", "-ec", command)
    factory = copy.path / copy.package / "__init__.py"
    text = factory.read_text().replace(f"    {part}.init_app(app)\n", "")
    text = re.sub(rf"(import .*?)\b{part}(, |\n)", r"\1\2", text) if part else text
    text = text.replace(", , ", ", ").replace("import , ", "import ")
    text = text.replace(", \n", "\n").replace(f"        {part},\n", "")
    factory.write_text(text)
    copy.run(PYTHON, "-m", "ruff", "check", "--no-cache")
    slow = "not test_main and not test_settings"
    copy.run(PYTHON, "-m", "pytest", "-q", "-k", slow, PYTHONPATH=str(copy.path))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_guide_to_make_it_yours_works(
    layout: str, bake: Bake, tmp_path: Path
) -> None:
    """A setting, a page, an endpoint, a check and a command."""
    copy = copy_of(bake(wsgi_server=SERVERS[0], config_layout=layout), tmp_path)
    guide = (copy.path / "docs" / "make-it-yours.md").read_text()
    setting, module, template, register, check, command, *_ = blocks(guide)
    package = copy.path / copy.package
    (name,) = re.findall(r"default in `\w+/config/(\S+)`", guide)
    defaults = package / "config" / name
    text, number = re.subn(
        r"(.*PROXY_HOPS.*\n)", rf"\g<1>{setting}", defaults.read_text(), count=1
    )
    assert number == 1
    defaults.write_text(text)
    module = module.replace("from flask", "from . import health\n\nfrom flask", 1)
    module = module.replace("blueprint(bp)\n", f"blueprint(bp)\n{check}")
    (package / "orders.py").write_text(f"{module}\n\n{command}")
    (package / "templates" / "orders.html").write_text(template)
    factory = package / "__init__.py"
    text = factory.read_text().replace("log, pages", "log, orders, pages")
    factory.write_text(text.replace("    return app", f"{register}\n    return app"))

    path = str(copy.path)
    copy.run(PYTHON, "-c", ASK.format(package=copy.package), PYTHONPATH=path)
    flask = (PYTHON, "-m", "flask", "--app", f"{copy.package}:create_app('testing')")
    output = copy.run(*flask, "orders", "count", PYTHONPATH=path).stdout
    assert output.splitlines()[-1] == "2"
    fast = "factory or health or headers or errors or pages or deploy"
    copy.run(PYTHON, "-m", "pytest", "-q", "-k", fast, PYTHONPATH=path)


def test_a_project_says_which_version_of_the_template_made_it(bake: Bake) -> None:
    """The one that CHANGELOG.md describes first, and README.md takes as an example."""
    version = ANSWERS["__version"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == version
    assert f"--checkout v{version} " in (ROOT / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((bake().path / "pyproject.toml").read_text())
    assert project["tool"]["flask-factory-template"] == {"version": version}
