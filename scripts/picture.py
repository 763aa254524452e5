"""Draw `docs/questions.svg`: what a terminal shows while the questions are answered."""

import json
import os
import pty
import re
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
WIDTH = 84
# What is typed; to all other questions no more than Enter.
ANSWERS = {"project_name": "Order API", "wsgi_server": "2", "config_layout": "3"}
# In place of rich's own, which loads a font from elsewhere.
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The questions of flask-factory-template, answered in a terminal</title>
<style>text {{ font: 20px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }}
{styles}</style>
{chrome}<g transform="translate({terminal_x},{terminal_y})">{matrix}</g>
</svg>
"""


def main() -> None:
    """Bake in a terminal without user configuration, and draw the output."""
    questions = json.loads((ROOT / "cookiecutter.json").read_text())
    answers = [ANSWERS.get(name, "") for name in questions if name[0] != "_"]
    shown = b"$ cookiecutter gh:org/flask-factory-template\n"

    def answer(terminal: int) -> bytes:
        nonlocal shown
        shown += (output := os.read(terminal, 4096))
        if output.endswith(b"\x1b[0m: "):  # behind the default, which is in colour
            os.write(terminal, answers.pop(0).encode() + b"\n")
        return output

    with TemporaryDirectory() as home:
        clean = ("env", "-i", f"COLUMNS={WIDTH}", f"HOME={home}", "TERM=xterm-256color")
        bake = (sys.executable, "-m", "cookiecutter", str(ROOT), "--output-dir", home)
        if pty.spawn((*clean, *bake), answer):
            sys.exit(1)
    console = Console(file=StringIO(), record=True, width=WIDTH)
    console.print(Text.from_ansi(shown.decode().replace("\r", "")), end="")
    svg = console.export_svg(title="", theme=MONOKAI, code_format=FRAME, unique_id="t")
    svg = re.sub(r'<text[^>]+>\n</text>| clip-path="\S+"', "", svg)  # draw nothing
    (ROOT / "docs" / "questions.svg").write_text(svg)


if __name__ == "__main__":
    main()
