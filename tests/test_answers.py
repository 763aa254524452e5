"""Bad answers are refused with one clear line; awkward good ones come out unharmed."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from email.policy import default
from html import unescape
from importlib.metadata import packages_distributions
from pathlib import Path

import html5lib
import pytest
from cookiecutter.exceptions import FailedHookException

from scripts import hooks
from tests.conftest import Bake
from tests.projects import (
    ANSWERS,
    LAYOUTS,
    PYTHON,
    ROOT,
    SERVERS,
    Project,
    bake_literally,
    clean_environment,
    literal_answers,
    load_hook,
)

from .test_installed import check_service, get, install, serving
from .test_rendering import check_parses

HOOK = load_hook("pre_gen_project")

BAD_SLUGS = {
    # not of the form
    "Order Service": "order-service",
    "OrderService": "orderservice",
    "order_service": "order-service",
    "-order": "order",
    "order-": "order",
    "order--api": "order-api",
    "9lives": "lives",
    "123": "my-service",
    "order.api": "order-api",
    "größe": "gr-e",
    "заказ": "my-service",
    "order\u200bapi": "order-api",
    "order api": "order-api",
    " order": "order",
    "$(id)": "id",
    "`id`": "id",
    "order;id": "order-id",
    "a'b": "a-b",
    'a"b': "a-b",
    "{{7*7}}": "my-service",
    "{% raw %}": "raw",
    "%i": "i",
    "x" * 31: "x" * 30,
    "ab-" * 10 + "c": "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab",
    # words of Python, and modules that come with it
    "class": "class-api",
    "match": "match-api",
    "type": "type-api",
    "import": "import-api",
    "async": "async-api",
    "email": "email-api",
    "json": "json-api",
    "logging": "logging-api",
    "site": "site-api",
    "code": "code-api",
    "platform": "platform-api",
    "queue": "queue-api",
    # what the project imports or holds
    "flask": "flask-api",
    "werkzeug": "werkzeug-api",
    "click": "click-api",
    "waitress": "waitress-api",
    "gunicorn": "gunicorn-api",
    "uwsgi": "uwsgi-api",
    "pyuwsgi": "pyuwsgi-api",
    "dotenv": "dotenv-api",
    "tests": "tests-api",
    "deploy": "deploy-api",
    "conftest": "conftest-api",
    "lock": "lock-api",
    "pip": "pip-api",
    "app": "app-api",
    # users and units of every server, directories that Windows does not know
    "root": "root-api",
    "nginx": "nginx-api",
    "www-data": "www-data-api",
    "ssh": "ssh-api",
    "sshd": "sshd-api",
    "nobody": "nobody-api",
    "postgres": "postgres-api",
    "cron": "cron-api",
    "con": "con-api",
}

BAD = [
    *(("project_slug", slug, repr(use)) for slug, use in BAD_SLUGS.items()),
    ("project_name", "", "must not be blank"),
    ("project_name", "   ", "must not be blank"),
    ("project_name", " Orders", "use 'Orders'"),
    ("project_name", "x" * 61, "must have at most 60 characters"),
    ("project_name", "two\nlines", "leave out '\\n'"),
    ("project_name", "a\x00b", "leave out '\\x00'"),
    ("description", "x" * 201, "must have at most 200 characters"),
    ("description", "bell\x07", "leave out '\\x07'"),
    ("description", "tab\tin it", "leave out '\\t'"),
    ("description", "line\u2028separator", "leave out '\\u2028'"),
    ("description", "admin \u202egnp.exe", "leave out '\\u202e'"),
    ("description", "isolated \u2066text", "leave out '\\u2066'"),
    ("description", "next\x85line", "leave out '\\x85'"),
    ("description", "trailing ", "use 'trailing'"),
    ("author_name", "x" * 101, "must have at most 100 characters"),
    ("author_name", "Ana\r\nBcc: all", "leave out '\\r'"),
    ("author_email", "nobody", "must be an address"),
    ("author_email", "a@b@c", "must be an address"),
    ("author_email", "a b@example.com", "must be an address"),
    ("author_email", "Ana <ana@example.com>", "must be an address"),
    ("author_email", 'a"b@example.com', "must be an address"),
    ("author_email", "@example.com", "must be an address"),
    ("author_email", "ana@-example.com", "must be an address"),
    ("author_email", "ana@example..com", "must be an address"),
    ("author_email", "ana@example.com\n", "without control characters"),
    ("server_name", "", "must be host names"),
    ("server_name", "Example.com", "must be host names"),
    ("server_name", "exa_mple.com", "must be host names"),
    ("server_name", "münchen.example", "must be host names"),
    ("server_name", "$host", "must be host names"),
    ("server_name", "~^www.*$", "must be host names"),
    ("server_name", "*.example.com", "must be host names"),
    ("server_name", ".example.com", "must be host names"),
    ("server_name", "example.com.", "must be host names"),
    ("server_name", "example.com; deny all", "must be host names"),
    ("server_name", "a.example {", "must be host names"),
    ("server_name", "example.com:8080", "must be host names"),
    ("server_name", "https://example.com", "must be host names"),
    ("server_name", "192.0.2.1", "must be host names"),
    ("server_name", "[::1]", "must be host names"),
    ("server_name", "-a.example", "must be host names"),
    ("server_name", "a-.example", "must be host names"),
    ("server_name", f"{'a' * 64}.example", "must be host names"),
    ("server_name", ".".join(["abcdefghi"] * 26), "must be host names"),
    ("server_name", "a.example,b.example", "must be host names"),
    ("server_name", "a.example  b.example", "must be host names"),
    ("server_name", "_", "must be host names"),
]


def test_at_least_eighty_bad_answers_are_covered() -> None:
    """The table is the promise."""
    assert len(BAD) >= 80


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_a_bad_answer_is_refused_and_leaves_nothing(
    name: str,
    value: str,
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One line names the answer, its value, the rule, and a value that works."""
    if sys.platform == "win32" and value in {'a"b', "con"}:
        pytest.skip("Windows itself refuses a directory of this name")
    output = tmp_path / "output"
    output.mkdir()
    (output.parent / "replay.json").touch()
    with pytest.raises(FailedHookException):
        bake_literally(output, **{name: value})
    lines = capfd.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(f"ERROR: {name}: ") for line in lines)
    assert said in lines[0]
    (output / "replay.json").unlink()
    assert list(output.iterdir()) == []


PATHS = [
    *("../evil", "..", ".", "{tmp}/evil", "evil/", "a\\b", "./x", "a/b", "", " "),
    "../../../../evil",
]


@pytest.mark.parametrize("hooks", ["yes", "no"])
@pytest.mark.parametrize("slug", PATHS)
def test_a_path_is_refused_as_a_slug_before_anything_is_written(
    slug: str, hooks: str, tmp_path: Path
) -> None:
    """With and without hooks; the last line of the error reads as a sentence."""
    output = tmp_path / "a" / "b" / "output"
    output.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    config = tmp_path / "config.yaml"
    command = [str(PYTHON), "-m", "cookiecutter", "--no-input", "-o", str(output)]
    command += ["--config-file", str(config), f"--accept-hooks={hooks}", str(ROOT)]
    config.write_text(f"replay_dir: {tmp_path}\ncookiecutters_dir: {tmp_path}\n")
    result = subprocess.run(
        [*command, f"project_slug={slug.format(tmp=tmp_path)}"],
        capture_output=True,
        check=False,
        env=clean_environment(),
        text=True,
        timeout=60,
    )
    config.unlink()
    assert result.returncode != 0
    last = result.stderr.splitlines()[-1]
    assert "project_slug_must_be_a_name_and_not_a_path" in last
    assert sorted(tmp_path.rglob("*")) == before


def test_the_default_answers_are_good() -> None:
    """The hook has nothing against them."""
    assert list(HOOK.problems(literal_answers())) == []


def test_all_problems_are_reported_at_once() -> None:
    """Fixing one problem does not reveal the next."""
    answers = literal_answers() | {"project_slug": "class", "author_email": "x"}
    found = list(HOOK.problems(answers | {"server_name": "$a ~b"}))
    names = [line.split(":")[0] for line in found]
    assert names == ["project_slug", "author_email", "server_name", "server_name"]


def test_names_in_the_locks_of_projects_are_refused() -> None:
    """Also dependencies of dependencies, and packages whose distribution differs."""
    locks = [*ROOT.glob("templates/requirements/*.txt")]
    locks += ROOT.glob("templates/*/*/requirements.txt")
    distributions = {
        line.partition("==")[0]
        for lock in locks
        for line in lock.read_text().splitlines()
        if "==" in line
    }
    assert len(distributions) > 20
    packages = {
        package.replace("_", "-").lower()
        for package, owners in packages_distributions().items()
        if distributions & {owner.lower().replace("_", "-") for owner in owners}
    }
    slugs = {name for name in packages if re.fullmatch(HOOK.SLUG, name)}
    for slug in distributions | slugs:
        assert list(HOOK.problems_of_slug(slug)), f"{slug}: run make lock"


@pytest.mark.parametrize("value", ["yes", "null", "{a: b}"])
def test_a_default_of_the_user_that_is_not_text_is_refused(
    value: str, tmp_path: Path
) -> None:
    """YAML reads some words as something else than text; a number becomes its text."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"default_context: {{author_name: {value}, description: 42}}\n"
        f"replay_dir: {tmp_path}\ncookiecutters_dir: {tmp_path}\n"
    )
    command = [str(PYTHON), "-m", "cookiecutter", "--no-input"]
    command += ["--config-file", str(config), "-o", str(tmp_path / "out"), str(ROOT)]
    result = subprocess.run(
        command,
        capture_output=True,
        check=False,
        env=clean_environment(),
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    (line,) = (x for x in result.stderr.splitlines() if x.startswith("ERROR: "))
    assert line.startswith("ERROR: author_name: ")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("default_context:\n  https: yes\n  ci: none\n", ["https"]),
        ("default_context:\n  'https' : no  # plain\n", ["https"]),
        ("default_context: {ci: none, https: Yes, license: MIT}\n", ["https"]),
        ("default_context:\n\n  ci: gitea\n  https: on\n", ["https", "ci"]),
        ("default_context:\n  https: 'yes'\n  ci: \"none\"\n  license: MIT\n", []),
        ("default_context:\n  # https: yes\n  author_name: ci is none\n", []),
        ("abbreviations:\n  ci: https://git.example/{0}\n", []),
        ("", []),
    ],
)
def test_a_default_that_cookiecutter_ignores_is_refused(
    text: str, names: list[str], tmp_path: Path
) -> None:
    """It ignores all that come after it, too, and only warns."""
    path = tmp_path / "cookiecutterrc"
    path.write_text(text)
    lines = list(HOOK.problems_of_defaults(path))
    assert [line.partition(":")[0] for line in lines] == names
    assert all(str(path) in line for line in lines)


@pytest.mark.parametrize("way", ["option", "option=", "variable", "home", "none"])
def test_the_configuration_of_the_user_is_found(way: str, tmp_path: Path) -> None:
    """As cookiecutter finds it."""
    path = tmp_path / ".cookiecutterrc"
    path.write_text(
        "default_context:\n  https: yes\n  author_name: Ana\n"
        f"replay_dir: {tmp_path}\ncookiecutters_dir: {tmp_path}\n"
    )
    command = [str(PYTHON), "-m", "cookiecutter", "--no-input", str(ROOT)]
    command += ["-o", str(tmp_path / "out")]
    command += {
        "option": ["--config-file", str(path)],
        "option=": [f"--config-file={path}"],
        "none": ["--default-config"],
    }.get(way, [])
    home = tmp_path if way in {"home", "none"} else tmp_path / "out"
    env = {"COOKIECUTTER_CONFIG": str(path)} if way == "variable" else {}
    result = subprocess.run(
        command,
        capture_output=True,
        check=False,
        env=clean_environment() | env | {"HOME": str(home)},
        text=True,
        timeout=60,
    )
    if way == "none":
        assert result.returncode == 0, result.stderr
        return
    assert result.returncode != 0
    (line,) = (x for x in result.stderr.splitlines() if x.startswith("ERROR: "))
    assert line.startswith(f"ERROR: https: {path} has 'yes', and is ignored from there")
    assert not list(tmp_path.glob("out/*"))


def test_answers_that_only_a_replay_can_hold_are_refused() -> None:
    """Choices that do not exist, misspelt questions, missing and strange values."""
    answers = literal_answers() | {"wsgi_server": "apache", "licence": "MIT", "ci": 5}
    del answers["https"]
    server = (
        f"wsgi_server: must be one of {', '.join(SERVERS)}, not 'apache'; to add it, "
        "follow CONTRIBUTING.md of the template, beginning with "
        "templates/wsgi_server/apache"
    )
    assert list(HOOK.problems(answers)) == [
        "licence: unknown question; did you mean 'license'?",
        server,
        "https: must be a string, not None",
        "ci: must be a string, not 5",
    ]


def test_a_replay_with_a_choice_that_does_not_exist_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cookiecutter itself lets it through."""
    with pytest.raises(FailedHookException):
        bake_literally(tmp_path, wsgi_server="apache")
    said = capfd.readouterr().err
    assert said.startswith("ERROR: wsgi_server: must be one of ")
    assert not (tmp_path / "my-service").exists()


def test_the_hook_knows_the_questions_and_choices_that_there_are() -> None:
    """A fork that adds one is reminded of `make hooks`."""
    questions = [name for name in ANSWERS if not name.startswith("_")]
    assert sorted(HOOK.KNOWN) == sorted(questions)
    assert hooks.choices() == HOOK.CHOICES, "run make hooks"


def test_hooks_hold_no_template_but_the_line_that_reads_the_answers() -> None:
    """They are plain Python, short, and delete nothing."""
    for path in (ROOT / "hooks").glob("*.py"):
        text = path.read_text()
        assert text.count("{{") == 1, path
        assert "{%" not in text, path
        assert len(text.splitlines()) <= 220, path
        for word in ("rmtree", "unlink", "os.remove", "rmdir", "rename", "move"):
            assert word not in text, path


TEXTS = [
    "Ana O'Neil",
    'The "Best" Service',
    "back\\slash",
    "ends in a backslash\\",
    "C:\\new\\table",
    "100 % sure",
    "%(name)s and %s and %i %h %%",
    "$HOME ${HOME} $(id) $$",
    "# not a comment",
    "; not a comment",
    "`id`",
    "{braces}",
    "{{ cookiecutter }}",
    "{{ 7 * 7 }}",
    "{% raw %}{% endraw %}",
    "{# a comment #}",
    "}} {{",
    "<script>alert(0)</script>",
    "</title><b>",
    "a & b &amp; c",
    "&lt;",
    "--flag",
    "- item",
    "key: value",
    "[table]",
    "@include",
    "!important",
    "*bold* _it_ ~~no~~",
    "| pipe | table |",
    "> quote",
    "'''",
    '"""',
    "\"'\\`$%{}<>&#;",
    "Größe",
    "Заказы",
    "注文サービス",
    "الطلبات",
    "הזמנות",
    "🚀 launch",
    "👩‍👩‍👧‍👦 family",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "e\u0301 combining",
    "\u00a0no-break".strip() + "\u00a0space",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "null",
    "true",
    "0x10",
    "1.0",
    "~",
    "a" * 60,
]

OTHERS = [
    {"author_email": "ana+orders@mail.example.com"},
    {"author_email": "o'neil@example.com"},
    {"author_email": "a&b@example.com"},
    {"server_name": "a.example b.example c.example"},
    {"server_name": "localhost"},
    {"server_name": "xn--mnchen-3ya.example"},
    {"server_name": "0.example"},
    {"server_name": f"{'a' * 63}.example"},
    {"project_slug": "a"},
    {"project_slug": "a-b-c-d-e-f-g"},
    {"project_slug": "x" * 30},
    {"project_slug": "s3"},
    {"project_slug": "order-2-api"},
]


def test_enough_awkward_answers_are_covered() -> None:
    """The table is the promise."""
    assert len(TEXTS) + len(OTHERS) >= 60


@pytest.mark.parametrize("text", TEXTS)
def test_awkward_text_comes_out_as_it_went_in(text: str, tmp_path: Path) -> None:
    """In the metadata, on the pages and in README.md, and every file parses."""
    project = bake_text(text, tmp_path)
    check_values(project, project.answers)
    check_parses(project)


def bake_text(text: str, output: Path) -> Project:
    """Bake a project with the same text in every free answer, in a product by turns."""
    turn = TEXTS.index(text) if text in TEXTS else len(text)
    return bake_literally(
        output,
        project_name=text,
        description=text,
        author_name=text,
        wsgi_server=SERVERS[turn % len(SERVERS)],
        config_layout=LAYOUTS[turn % len(LAYOUTS)],
    )


def check_values(project: Project, answers: dict[str, str]) -> None:
    """Read the free text back from where it went."""
    name, description = answers["project_name"], answers["description"]
    author, address = answers["author_name"], answers["author_email"]
    metadata = tomllib.loads(read(project, "pyproject.toml"))["project"]
    assert metadata["description"] == (description or f"{name}, a Flask service")
    known = {k: v for k, v in (("name", author), ("email", address)) if v}
    assert metadata.get("authors", []) == ([known] if known else [])
    for file, text in (("name", name), ("description", description)):
        comment, *lines = read(
            project, f"{project.package}/templates/{file}.html"
        ).splitlines()
        assert comment.startswith("{#")
        assert comment.endswith("-#}")
        assert [unescape(line) for line in lines] == ([text] if text else [])
        assert not {"{", "}", "<"} & set("".join(lines))
    assert name in read(project, "README.md")
    assert description in read(project, "README.md")
    if answers["license"] != "Apache-2.0":  # without a name
        assert author in read(project, "LICENSE")
    for path in project.files():
        if path.suffix in {".py", ".cfg"}:
            source = read(project, path)
            ast.parse(source)
            for text in (name, description, author):
                assert len(text) < 16 or text not in source, path


def read(project: Project, name: str | Path) -> str:
    """Return the text of a file, with the line ends that it has."""
    return (project.path / name).read_bytes().decode()


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_awkward_text_is_installed_and_served(text: str, tmp_path: Path) -> None:
    """The page shows it, the wheel's metadata holds it."""
    project = bake_text(text, tmp_path)
    page, metadata = install_and_serve(project, tmp_path)
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    for place in (".//title", ".//h1", ".//p[@class='lead']"):
        assert (tree.findtext(place) or "").strip() == text
    assert metadata["Summary"] == text


def install_and_serve(project: Project, directory: Path) -> tuple[str, Message]:
    """Install a project, start it; return its home page and its wheel's metadata."""
    environment = directory / "environment"
    wheel = install(project, environment, "requirements.txt")
    command = environment / "bin" / project.slug
    options = ("--env", "development", "--port", "0")
    with serving(directory, command, *options) as (url, _):
        check_service(url)
        page = get(url).read().decode()
    name = "-".join(wheel.name.split("-")[:2])
    with zipfile.ZipFile(wheel) as files:
        metadata = files.read(f"{name}.dist-info/METADATA")
    return page, message_from_bytes(metadata, policy=default)


@pytest.mark.parametrize(
    "answers", OTHERS, ids=lambda answers: "".join(answers.values())
)
def test_other_awkward_answers_render_projects_that_work(
    answers: dict[str, str], bake: Bake
) -> None:
    """The factory makes an application of each."""
    project = bake(**answers)
    code = f"import {project.package} as p; p.create_app('testing')"
    project.run(PYTHON, "-c", code)


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers", OTHERS, ids=lambda answers: "".join(answers.values())
)
def test_other_awkward_answers_are_installed_and_served(
    answers: dict[str, str], tmp_path: Path
) -> None:
    """The command has the name that was asked for."""
    project = bake_literally(tmp_path, **answers)
    page, metadata = install_and_serve(project, tmp_path)
    assert "<h1>" in page
    assert metadata["Name"] == project.slug
