"""Lock the newest allowed versions: for the tools here and for rendered projects.

Writes `requirements.txt` and `judges/requirements.txt`, then the parts from which a
rendered project's own `requirements.txt` and `requirements-dev.txt` are put together,
under `templates/requirements` and in the folders of the choices. A lock names versions
and hashes, but no index: it is installed from whatever index pip is set up for.

Last, it writes the lists of the hooks, of which the locked names are one, and
`copier.yml`, which has them, too.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import copier, hooks
from tests.projects import ANSWERS, ROOT, SERVERS, bake

CHOICES = ROOT / "templates"
PARTS = CHOICES / "requirements"

Blocks = dict[str, str]


def compile_lock(*arguments: str, directory: Path) -> Blocks:
    """Return what uv resolves: the lines of each requirement, by its name."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
        *("--python-version", "3.11", "--generate-hashes", "--no-annotate"),
        *("--no-header", *arguments),
    ]
    output = subprocess.run(
        command, check=True, cwd=directory, stdout=subprocess.PIPE, text=True
    ).stdout
    blocks = re.findall(r"^\S.*(?:\n +.*)*\n", output, re.MULTILINE)
    return {re.split("[=; ]", block)[0]: block for block in blocks}


def write(path: Path, blocks: Blocks) -> None:
    """Write the requirements in the order of their names."""
    path.write_text("".join(blocks[name] for name in sorted(blocks)))


def lock_of(directory: Path, *arguments: str, **answers: str) -> Blocks:
    """Return the lock of a project rendered with these answers."""
    slug = "-".join(["x", *answers.values()])
    project = bake(directory, answers | {"project_slug": slug}, overwrite=True)
    constraint = ("--constraint", str(ROOT / "requirements.txt"))
    return compile_lock(
        *constraint, *arguments, "pyproject.toml", directory=project.path
    )


def without(blocks: Blocks, *others: Blocks) -> Blocks:
    """Return the requirements that none of the others holds."""
    return {k: v for k, v in blocks.items() if not any(k in other for other in others)}


def main() -> None:
    """Write all locks, the lists of the hooks, and the questions for Copier."""
    write(
        ROOT / "requirements.txt",
        compile_lock("--upgrade", "--group", "dev", directory=ROOT),
    )
    constraint = ("--constraint", "requirements.txt")
    write(
        ROOT / "judges" / "requirements.txt",
        compile_lock(*constraint, "--group", "judges", directory=ROOT),
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        locks = {
            server: lock_of(directory, wsgi_server=server, config_layout="cfg")
            for server in SERVERS
        }
        first = locks[SERVERS[0]]
        base = {
            k: v for k, v in first.items() if all(k in lock for lock in locks.values())
        }
        environment = lock_of(directory, wsgi_server=SERVERS[0], config_layout="env")
        databases = {
            choice: lock_of(directory, wsgi_server=SERVERS[0], database=choice)
            for choice in ANSWERS["database"][1:]
        }
        develop = lock_of(directory, "--group", "dev", wsgi_server=SERVERS[0])
        build = compile_lock(
            "--group", "build", directory=directory / f"x-{SERVERS[0]}"
        )
    write(PARTS / "base.txt", base)
    write(CHOICES / "config_layout/env/requirements.txt", without(environment, first))
    for choice, lock in databases.items():
        path = CHOICES / "database" / choice / "requirements.txt"
        write(path, without(lock, first))
    write(PARTS / "dev.txt", without(develop, first))
    write(PARTS / "build.txt", {k: v for k, v in develop.items() if k in build})
    for server, lock in locks.items():
        path = CHOICES / "wsgi_server" / server / "requirements.txt"
        write(path, without(lock, base))
    hooks.main()
    copier.main()


if __name__ == "__main__":
    main()
