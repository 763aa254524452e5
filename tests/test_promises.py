"""What docs/promises.md promises is in what is rendered."""

import re

import pytest

from scripts.hooks import choices
from tests.conftest import Bake
from tests.projects import ANSWERS, LAYOUTS, PYTHON, ROOT, SERVERS, Project

TEXT = (ROOT / "docs" / "promises.md").read_text()
DATABASES: list[str] = ANSWERS["database"]


def section(heading: str) -> str:
    """Return what is under a heading."""
    [text] = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    return str(text)


def names(text: str) -> list[str]:
    """Return what is marked as code."""
    return re.findall(r"`([^`]+)`", text)


def rows(text: str) -> list[tuple[list[str], list[str]]]:
    """Return the names in both columns of tables."""
    cells = [line.strip("| ").split("|") for line in re.findall(r"(?m)^\| `.+", text)]
    return [(names(first), names("".join(rest))) for first, *rest in cells]


@pytest.fixture(
    params=range(max(len(SERVERS), len(LAYOUTS), len(DATABASES))), scope="module"
)
def made(request: pytest.FixtureRequest, bake: Bake) -> Project:
    """Return a project; together, they have each choice."""
    number: int = request.param
    return bake(
        wsgi_server=SERVERS[number % len(SERVERS)],
        config_layout=LAYOUTS[number % len(LAYOUTS)],
        database=DATABASES[number % len(DATABASES)],
        project_slug="shop-2",
    )


def named(text: str) -> str:
    """Return a promise as it is for the project."""
    text = text.replace("my-service", "shop-2").replace("my_service", "shop_2")
    return text.replace("MY_SERVICE_", "SHOP_2_")


def test_answers() -> None:
    """A fork may have others in addition, or leave some out: then it says so here."""
    promised = {question: found for [question], found in rows(section("Answers"))}
    private = ("_", "__")
    asked = [name for name in ANSWERS if not name.startswith(private)]
    assert list(promised) == asked
    for question, values in choices().items():
        assert sorted(promised[question]) == sorted(values)


def test_files_and_what_is_in_them(made: Project) -> None:
    """With a database there are more."""
    text, _, with_database = section("Files").partition("With a database also")
    if made.answers["database"] != "none":
        text += with_database
    for files, relied_on in rows(text):
        for file in files:
            content = (made.path / named(file)).read_text()
            others = [name for name in relied_on if not name.startswith("--")]
            for name in map(named, others):
                assert re.search(rf"(?m)(^|\b){name}\b", content), f"{file}: {name}"


def test_options_of_the_scripts(made: Project) -> None:
    """They all have --help."""
    for files, relied_on in rows(section("Files")):
        for file in files:
            path = made.path / file
            if "--help" in relied_on and path.exists():
                said = made.run("sh", path, "--help").stdout
                for option in (name for name in relied_on if name.startswith("--")):
                    if option != "--host" or file == "deploy/install":
                        assert option in said, f"{file}: {option}"


def test_the_command(made: Project) -> None:
    """Its options."""
    said = made.run(PYTHON, "-m", made.package, "--help").stdout
    for name in names(section("Command")):
        assert name == "my-service" or name in said


def test_settings_and_paths_of_urls(made: Project) -> None:
    """In what `flask config` shows, and in the routes or the site of nginx."""
    flask = (PYTHON, "-m", "flask", "--app", made.package)
    testing = ("env", f"{made.prefix}ENV=testing")
    shown = made.run(*testing, *flask, "config").stdout
    for name in names(section("Settings")):
        if name == "DATABASE_URL" and made.answers["database"] == "none":
            continue
        if name.startswith("MY_SERVICE_"):
            assert named(name) in (made.path / "README.md").read_text()
        else:
            assert re.search(rf"(?m)^{name}\b", shown), name
    routes = made.run(*testing, *flask, "routes").stdout
    routes += (made.path / "deploy" / "nginx.conf").read_text()
    for path in names(section("Paths of URLs")):
        assert f" {path}" in routes, path


def test_paths_on_a_server(made: Project) -> None:
    """The project's manual has them; e2e tests find them on machines."""
    manual = (made.path / "deploy" / "README.md").read_text()
    for paths, _ in rows(section("Paths on a server")):
        for path in map(named, paths):
            assert f"`{path}" in manual, path
