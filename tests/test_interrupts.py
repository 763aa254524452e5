"""Ctrl-C, at a question or later, leaves nothing behind that does harm."""

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.projects import PYTHON, ROOT, bake, clean_environment, files_of

# A shell in the background ignores Ctrl-C, and so do its children.
COOKIECUTTER = ("env", "--default-signal=INT", str(PYTHON), "-m", "cookiecutter")


def test_at_a_question_it_leaves_nothing(tmp_path: Path) -> None:
    """In a terminal, at the second question."""
    terminal, other = pty.openpty()
    output = tmp_path / "out"
    command = ["setsid", "--ctty", *COOKIECUTTER, "-o", str(output), str(ROOT)]
    env = clean_environment() | {"HOME": str(tmp_path)}
    with subprocess.Popen(
        command, stdin=other, stdout=other, stderr=other, env=env
    ) as process:
        os.close(other)
        read_until(terminal, "[1/")
        os.write(terminal, b"\n")
        read_until(terminal, "[2/")
        os.write(terminal, b"\x03")
        said = read_until(terminal, "Aborted")
        assert process.wait(10) == 1
    os.close(terminal)
    assert "Traceback" not in said
    assert not output.exists()


def read_until(terminal: int, text: str) -> str:
    """Return what a terminal shows up to a text; wait at most 20 seconds for more."""
    shown = ""
    while text not in shown:
        ready, _, _ = select.select([terminal], (), (), 20)
        assert ready, shown
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


@pytest.mark.parametrize("after", [0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6])
def test_in_a_bake_it_leaves_what_the_next_bake_completes(
    after: float, tmp_path: Path
) -> None:
    """The next run refuses a directory that is left; with -f it makes it whole."""
    output = tmp_path / "out"
    command = [*COOKIECUTTER, "--no-input", "-o", str(output), str(ROOT)]
    env = clean_environment() | {"HOME": str(tmp_path)}
    with subprocess.Popen(
        command, env=env, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "gen_project" not in said  # no traceback of a hook
    left = output / "my-service"
    if left.exists():
        again = subprocess.run(
            command, capture_output=True, check=False, env=env, text=True, timeout=60
        )
        assert again.returncode == 1
        assert "already exists" in again.stdout + again.stderr
    subprocess.run([*command, "-f"], check=True, env=env, timeout=60)
    assert files_of(left) == files_of(bake(tmp_path / "whole", {}).path)
