"""Find dependencies in pyproject.toml that the lock files lack: `make lock` adds them.

The tests and `make` run this before they import the package.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems() -> Iterator[str]:
    """Yield a line for each lock file that lacks a dependency."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject.get("dependency-groups", {}).values()
    required = {
        "requirements.txt": pyproject["project"].get("dependencies", []),
        "requirements-dev.txt": [
            line for group in groups for line in group if isinstance(line, str)
        ],
    }
    for file, lines in required.items():
        locked = (ROOT / file).read_text(encoding="utf-8").splitlines()
        if missing := sorted(names(lines) - names(locked)):
            yield (
                f"{file} does not have what pyproject.toml asks for "
                f"({', '.join(missing)}): run make lock"
            )


def names(lines: list[str]) -> set[str]:
    """Return the normalized names of the packages in lines of requirements."""
    found = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in found if name}


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or None)
