"""The tests of rendered projects see changes: `make mutants` tries all of them."""

import subprocess

import pytest

from tests.projects import PYTHON, ROOT


@pytest.mark.slow
def test_a_sample_of_mutants_is_killed() -> None:
    """As many as CONTRIBUTING.md promises; the whole takes too long for each change."""
    command = [str(PYTHON), "-m", "scripts.mutants", "--sample", "60"]
    result = subprocess.run(
        command, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=900
    )
    assert result.returncode == 0, result.stdout
