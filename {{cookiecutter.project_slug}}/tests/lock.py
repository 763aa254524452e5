"""Find dependencies in pyproject.toml that the lock files lack: `make lock` adds them.

The tests and `make` run this before they import the package.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

# pytest depends on it.
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def problems() -> Iterator[str]:
    """Yield a line for each lock file that does not have what is required."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = pyproject.get("dependency-groups", {}).values()
    required = {
        "requirements.txt": pyproject["project"].get("dependencies", []),
        "requirements-dev.txt": [
            line for group in groups for line in group if isinstance(line, str)
        ],
    }
    for file, lines in required.items():
        locked = versions((ROOT / file).read_text(encoding="utf-8"))
        if lacking := sorted({*differences(map(Requirement, lines), locked)}):
            yield (
                f"{file} does not have what pyproject.toml asks for "
                f"({', '.join(lacking)}): run make lock"
            )


def versions(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock file; empty for one from a URL."""
    found = re.findall(r"(?m)^([A-Za-z0-9][\w.-]*)(?:\[.*?\])?(?:==([^\s;]+))?", lock)
    return {canonicalize_name(name): version for name, version in found}


def differences(
    requirements: Iterator[Requirement], locked: dict[str, str]
) -> Iterator[str]:
    """Yield the requirements that a lock does not meet."""
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        version = locked.get(name)
        if version is None:
            yield name
        elif version and not requirement.specifier.contains(version, prereleases=True):
            yield f"{name}{requirement.specifier} instead of {version}"


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or None)
