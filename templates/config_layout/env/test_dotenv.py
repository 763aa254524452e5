"""A line of a `.env` file means the same to the command and to `flask`."""

import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import PREFIX

LINES = [
    ("pa$$word", "pa$$word"),
    ("a$NAME", "a$NAME"),
    ("a${OTHER}b", "athere b"),
    ('"a${OTHER}b"', "athere b"),
    ("'a${OTHER}b'", "athere b"),
    ("a${FROM_FILE}b", "afileb"),
    ("a${MISSING:-default}b", "adefaultb"),
    ("a${MISSING}b", "ab"),
    ("abc#def", "abc#def"),
    ("abc # not this", "abc"),
    ("'abc # this'", "abc # this"),
    ("a=b==", "a=b=="),
    (r'"C:\\new"', r"C:\new"),
    (r"'C:\new'", r"C:\new"),
    ('"007"', "007"),
    ("007", "007"),
    ("1e5", "1e5"),
    ("true", "true"),
    ("null", "null"),
    ('"one\ntwo"', "one\ntwo"),
    ('["a"]', ["a"]),
    ("", ""),
]


@pytest.mark.parametrize(("line", "value"), LINES)
def test_a_line_means_the_same_to_the_command_and_to_flask(
    line: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes, comments, and `${NAME}`, which is replaced."""
    monkeypatch.setenv("OTHER", "there ")
    text = f"FROM_FILE=file\n{PREFIX}_VALUE={line}\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    inner = tmp_path / "inner"
    inner.mkdir()
    for directory in (tmp_path, inner):  # `flask` looks above, too
        monkeypatch.chdir(directory)
        assert create_app("development").config["VALUE"] == value
    if "=" in line or "$" in line:  # starting `flask` takes its time
        monkeypatch.setenv(f"{PREFIX}_ENV", "development")
        command = [sys.executable, "-m", "flask", "--app", create_app.__module__]
        result = subprocess.run(
            [*command, "config"], capture_output=True, check=True, text=True, timeout=30
        )
        shown = next(x for x in result.stdout.splitlines() if x.startswith("VALUE "))
        assert shown.split(maxsplit=1)[1].startswith(f"{value!r}  (")


def test_other_variables_in_the_file_are_not_settings(tmp_path: Path) -> None:
    """It may be shared with other programs."""
    path = tmp_path / "shared.env"
    path.write_text(f"SECRET_KEY=x\nOTHER\n{PREFIX}_GREETING=hello\n")
    config = create_app({"ENV": "testing", "CFG": path}).config
    assert config["GREETING"] == "hello"
    assert "OTHER" not in config
    assert config["SECRET_KEY"] != "x"
