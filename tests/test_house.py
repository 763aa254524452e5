"""The package and the installer are built as they are drawn; the command is light."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.projects import PYTHON, ROOT, Project

# What the command does until it becomes the server.
START = """
import sys
from {package}.__main__ import load_layers
load_layers()
heavy = ("flask", "jinja2", "werkzeug", "sqlalchemy")
assert not (found := [name for name in heavy if name in sys.modules]), found
"""


def storeys(drawing: str) -> dict[str, int]:
    """Return the line of a drawing in which each module stands."""
    return {
        name: number
        for number, line in enumerate(drawing.splitlines())
        for name in re.split(r" {2,}| (?=the parts)", line)[0].split(", ")
    }


def name_of(path: Path) -> str:
    """Return the name of a module, relative to the package."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imports(package: Path, path: Path) -> Iterator[str]:
    """Yield the modules of the package that one of its files imports."""
    modules = {name_of(p.relative_to(package)) for p in package.rglob("*.py")}
    for node in ast.walk(ast.parse((package / path).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*path.parts[:-1]][: len(path.parts) - node.level]
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                full = ".".join([*base, alias.name])
                yield full if full in modules else ".".join(base) or "__init__"


def test_imports_point_downwards(project: Project) -> None:
    """Each module can be understood with those below it."""
    package = project.path / project.package
    text = (ROOT / "CONTRIBUTING.md").read_text()
    drawing = text.split("## The rendered package")[1].split("```")[1]
    lines = storeys(drawing.partition("\n")[2])
    free = {"gunicorn.conf", "uwsgi_main", "config.settings", "config.defaults"}
    for file in package.rglob("*.py"):
        path = file.relative_to(package)
        name, targets = name_of(path), set(imports(package, path))
        if name in free:
            assert not targets
            continue
        for target in targets - free:
            assert lines[name] < lines[target], f"{name} imports {target}"


def test_imports_of_the_installer_point_downwards(project: Project) -> None:
    """The package itself has nothing but the drawing."""
    package = project.path / "deploy" / "machine"
    [doc] = ast.parse((package / "__init__.py").read_text()).body
    assert isinstance(doc, ast.Expr)
    lines = storeys(ast.literal_eval(doc.value).split(":\n\n")[1])
    modules = {path.stem: path for path in package.glob("[!_]*.py")}
    assert lines.keys() == modules.keys()
    for name, path in modules.items():
        for target in imports(package, path.relative_to(package)):
            assert lines[name] < lines[target], f"{name} imports {target}"


def test_the_command_becomes_the_server_before_it_imports_flask(
    project: Project,
) -> None:
    """With the settings loaded; waitress runs in the command's own process."""
    code = START.format(package=project.package)
    if project.answers["wsgi_server"] == "waitress":
        code = code.replace("__main__", "config")
    key = {f"{project.prefix}SECRET_KEY": "of this test, and long enough"}
    path = str(project.path)
    project.run(PYTHON, "-c", code, timeout=60, PYTHONPATH=path, **key)
