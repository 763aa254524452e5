"""Measure cases in turn, and compare them with a baseline."""

import json
import shlex
import statistics
import subprocess
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.projects import clean_environment

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

Samples = list[float]


@dataclass(frozen=True)
class Plan:
    """How much to measure, and where there is room for it."""

    directory: Path
    smoke: bool = False
    peers: Sequence[Path] = ()

    def times(self, number: int) -> int:
        """Return how often to do what is done so often; once in a smoke test."""
        return 1 if self.smoke else number

    def some(self, items: Sequence[T]) -> Sequence[T]:
        """Return what is to be measured; no more than two things in a smoke test."""
        return items[:2] if self.smoke else items

    def room(self, name: str) -> Path:
        """Return a new directory."""
        path = self.directory / name
        path.mkdir()
        return path


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: Samples) -> "Spread":
        """Return the spread of samples."""
        if len(samples) == 1:
            return cls(*samples * 3)
        return cls(*statistics.quantiles(samples, n=4, method="inclusive"))

    def __str__(self) -> str:
        """Return it as a table shows it."""
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Bar:
    """A ratio in a picture, and the target it has, if it has one."""

    label: str
    spread: Spread
    target: float | None = None


@dataclass
class Report:
    """What a benchmark has found."""

    title: str  # of the picture
    bars: list[Bar] = field(default_factory=list)
    text: str = ""  # Markdown, with the tables


def in_turn(rounds: int, cases: Mapping[K, Callable[[], T]]) -> dict[K, list[T]]:
    """Measure all cases in each round; return the results of each in their order.

    A machine that is slower for a while is so for all of them. Every other round goes
    backwards, so that none has always the same one before it.
    """
    results: dict[K, list[T]] = {name: [] for name in cases}
    for number in range(rounds):
        for name in list(cases)[:: -1 if number % 2 else 1]:
            results[name].append(cases[name]())
    return results


def ratio(samples: Samples, baseline: Samples) -> Spread:
    """Return the spread of the ratios, each of two samples of the same round."""
    return Spread.of([a / b for a, b in zip(samples, baseline, strict=True)])


def run(
    *command: str | Path, cwd: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; fail with what it says if it fails."""
    result = subprocess.run(
        command,
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**clean_environment(), **env},
        text=True,
    )
    if result.returncode:
        message = f"{command}\n{result.stdout}{result.stderr}"
        raise RuntimeError(message)
    return result


def seconds_of(
    *command: str, runs: int, cwd: Path, prepare: str = "true", **env: str
) -> float:
    """Return the median time of some runs of a command, by hyperfine."""
    export = cwd / "hyperfine.json"
    options = ["--shell=none", "--style=none", "--warmup=1", f"--runs={runs}"]
    options += [f"--prepare={prepare}", f"--export-json={export}"]
    run("hyperfine", *options, shlex.join(command), cwd=cwd, **env)
    return float(json.loads(export.read_text())["results"][0]["median"])


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as a Markdown table; numbers are on the right."""
    names = list(rows[0])
    rules = [
        "---:" if all(row[name][:1].isdigit() for row in rows) else "---"
        for name in names
    ]
    lines = [names, rules, *([row[name] for name in names] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
