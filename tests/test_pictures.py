"""The pictures in README.md show what is rendered, and what is asked."""

import re
from html import unescape

from tests.conftest import Bake
from tests.projects import ANSWERS, ROOT

PICTURES = ROOT / "docs"


def test_the_files_in_the_picture_of_a_request_are_rendered(bake: Bake) -> None:
    """Each name of a file there is one in the project of the default answers."""
    picture = (PICTURES / "request.svg").read_text(encoding="utf-8")
    names = re.findall(r'class="file"[^>]*>(.+?)</text>', picture)
    assert names
    project = bake()
    assert [name for name in names if not (project.path / name).exists()] == []


def test_the_picture_of_the_questions_shows_all_of_them() -> None:
    """If it does not, run `scripts/picture.py`."""
    picture = (PICTURES / "questions.svg").read_text(encoding="utf-8")
    shown = "".join(unescape(re.sub("<.*?>", "", picture)).split())
    prompts = ANSWERS["__prompts__"].values()
    asked = [[p] if isinstance(p, str) else p.values() for p in prompts]
    lines = [line for group in asked for line in group]
    assert [line for line in lines if "".join(line.split()) not in shown] == []
