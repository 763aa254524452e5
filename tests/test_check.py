"""The last hook finds what does not fit together, and never touches it."""

from pathlib import Path

import pytest

from scripts import hooks
from tests.projects import Project

from .projects import load_hook
from .test_second_runs import PRODUCTS, bake_over

HOOK = load_hook("post_gen_project")


def test_what_is_rendered_fits_together(project: Project) -> None:
    """In every product."""
    assert list(HOOK.problems(project.path, project.answers)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("deploy/nginx.conf", "unix:/run/", "unix:/var/run/"),
        ("deploy/nginx.conf", "client_max_body_size 16m", "client_max_body_size 8m"),
        ("deploy/SLUG.socket", "ListenStream=", "ListenStream=/tmp"),
        ("deploy/SLUG.service", "User=", "User=x"),
        ("deploy/SLUG.service", "TimeoutStopSec=45", "TimeoutStopSec=5"),
        ("deploy/SLUG.service", "--settings /etc/", "--settings /opt/"),
        ("pyproject.toml", "__main__:main", "__main__:start"),
        ("pyproject.toml", "SERVER>=", "none>="),
        ("PKG/__main__.py", "def main(", "def start("),
        ("PKG/wsgi.py", "app = ", "application = "),
        ("PKG/config/__init__.py", 'PREFIX = "', 'PREFIX = "X'),
        ("PKG/pages.py", "def home", "def 1home"),
    ],
)
def test_a_file_out_of_step_is_named(
    name: str, old: str, new: str, copy: Project
) -> None:
    """With the problem and its fix."""
    name = name.replace("PKG", copy.package).replace("SLUG", copy.slug)
    old = old.replace("SERVER", str(copy.answers["wsgi_server"]))
    path = copy.path / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    [problem] = HOOK.problems(copy.path, copy.answers)
    assert problem.split(":")[0] in (name, "deploy/")
    assert path.read_text() == text.replace(old, new)


def test_the_hook_knows_the_files_of_each_choice() -> None:
    """A fork that adds one is reminded of `make hooks`."""
    assert hooks.files() == HOOK.FILES, "run make hooks"


def test_a_missing_file_is_named(copy: Project) -> None:
    """Each that only this choice has."""
    for name in HOOK.chosen(copy.answers):
        (copy.path / name).unlink()
    found = list(HOOK.problems(copy.path, copy.answers))
    for name in HOOK.chosen(copy.answers):
        assert f"{name}: missing; bake again" in found


def test_files_of_an_earlier_choice_are_named_and_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the command that removes them."""
    (first, *_, last) = PRODUCTS
    bake_over(tmp_path, *first, skip=False)
    assert "rm " not in capfd.readouterr().out
    project = bake_over(tmp_path, *last, skip=False)
    said = capfd.readouterr().out.splitlines()
    assert len(said) <= 5
    line = next(line for line in said if "rm " in line)
    left = line.split("rm ")[1].split()
    assert left
    assert all((project / name).is_file() for name in left)
