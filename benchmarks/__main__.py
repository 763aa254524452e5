"""Run benchmarks, and write their tables and pictures into README.md beside this."""

import argparse
import datetime as dt
import os
import platform
import re
import shutil
import sys
import tempfile
import textwrap
import time
import traceback
from importlib.metadata import version
from pathlib import Path

from . import bake, database, request, restart, start, throughput
from .measure import Plan, Report, run
from .picture import draw

HERE = Path(__file__).parent
SMOKE = HERE.parent / "build" / "benchmarks"
BENCHMARKS = {
    "bake": bake,
    "start": start,
    "request": request,
    "database": database,
    "throughput": throughput,
    "restart": restart,
}
PACKAGES = ("cookiecutter", "flask", "werkzeug", "gunicorn", "pyuwsgi", "waitress")


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=Path,
        metavar="DIRECTORY",
        help="bake this template, too",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help=f"only see that all works; write to {SMOKE.relative_to(HERE.parent)}",
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no {', '.join(unknown)}")
    target = HERE
    if options.smoke:
        target = SMOKE
        target.mkdir(exist_ok=True, parents=True)
        shutil.copy(HERE / "README.md", target)
    failed = [
        name
        for name in options.names or BENCHMARKS
        if not succeeds(name, target, smoke=options.smoke, peers=options.peer)
    ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def succeeds(name: str, target: Path, *, smoke: bool, peers: list[Path]) -> bool:
    """Run a benchmark; if it fails, say why, so that the others can still be run."""
    print(f"{name} ...", flush=True)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            report = BENCHMARKS[name].measure(Plan(Path(directory), smoke, peers))
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        return False
    write(target, name, report)
    print(f"{report.text}{time.monotonic() - started:.0f} s\n", flush=True)
    return True


def write(target: Path, name: str, report: Report) -> None:
    """Write a picture, and what stands between the marks of a benchmark in README."""
    (target / f"{name}.svg").write_text(draw(report.title, report.bars))
    picture = f"![{report.title}]({name}.svg)"
    text = "\n\n".join([picture, report.text.rstrip(), textwrap.fill(machine(), 96)])
    readme = target / "README.md"
    marks = rf"(<!-- {name} -->\n).*?(<!-- end -->\n)"
    filled, number = re.subn(
        marks,
        lambda match: f"{match[1]}\n{text}\n\n{match[2]}",
        readme.read_text(),
        flags=re.DOTALL,
    )
    assert number == 1, f"README.md has no place for {name}"
    readme.write_text(filled)


def machine() -> str:
    """Say when and on what it was measured, without saying where."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    kernel = platform.release().partition("-")[0]
    nginx = run("nginx", "-v", cwd=HERE).stderr.rpartition("/")[2].strip()
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    parts = [
        str(dt.datetime.now(dt.UTC).date()),
        *(cpu[1] if cpu else platform.machine(), f"{os.cpu_count()} cores"),
        *(system, f"Linux {kernel}", f"Python {platform.python_version()}"),
        *(*versions, f"nginx {nginx}"),
    ]
    return f"Measured on {', '.join(parts)}."


if __name__ == "__main__":
    main()
