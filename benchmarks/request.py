"""A request, without a server: what a project adds to its views."""

import json
import os
import pstats
import re
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .applications import Application, rendered, views_of
from .measure import Bar, Plan, Report, Samples, in_turn, ratio, table

TARGET = 1.15
BASELINE = "bare Flask"
PROJECT = "the project"
CALLS = Path(__file__).with_name("calls.py")
KEY: dict[str, object] = {"SECRET_KEY": "only-for-measuring-0123456789abcdef"}

# What nginx adds to a request, see `deploy/nginx.conf` of a project.
NGINX = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "example.com",
    "X-Forwarded-Proto": "https",
    "X-Request-ID": "0123456789abcdef0123456789abcdef",
}


@dataclass(frozen=True)
class Call:
    """A request of an application."""

    application: Application
    path: str
    settings: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def arguments(self, number: int) -> list[str]:
        """Return the arguments of Python that make it so many times."""
        headers = dict(self.headers)
        if headers:
            # An hour too late to be refused, however slow valgrind is.
            headers["X-Request-Start"] = f"{time.time() + 3600:.3f}"
        return [
            *("-P", str(CALLS), self.application.package, json.dumps(self.settings)),
            *(self.path, json.dumps(headers), str(number)),
        ]

    def microseconds(self, number: int) -> float:
        """Return how long it takes."""
        return float(self.application.python(*self.arguments(number)).stdout)

    def instructions(self, seed: int) -> float:
        """Return how many instructions it takes, with a seed for the order of sets.

        The difference of two processes: what they do once is the same in both.
        """
        few, many = (self.instructions_of_process(number, seed) for number in (20, 120))
        return (many - few) / 100

    def instructions_of_process(self, number: int, seed: int) -> int:
        """Return how many instructions a process takes that makes it so many times."""
        result = self.application.run(
            *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
            *(sys.executable, *self.arguments(number)),
            PYTHONHASHSEED=str(seed),
        )
        return int(re.findall(r"Collected : (\d+)", result.stderr)[0])

    def profile(self, number: int) -> defaultdict[str, float]:
        """Return the microseconds that it spends in each module, by cProfile."""
        output = self.application.directory / "profile"
        arguments = ["-m", "cProfile", "-o", str(output), *self.arguments(number)[1:]]
        self.application.python(*arguments)
        times: defaultdict[str, float] = defaultdict(float)
        stats = pstats.Stats(str(output)).stats  # type: ignore[attr-defined]
        for (file, _, _), (_, _, own, _, callers) in stats.items():
            # What is written in C belongs to who calls it.
            by_file: defaultdict[str, float] = defaultdict(float, {file: own})
            if file == "~":
                by_file = defaultdict(float)
                for (caller, _, _), (_, _, part, _) in callers.items():
                    by_file[caller] += part
            for name, seconds in by_file.items():
                times[module_of(name)] += seconds / number * 1e6
        return times


def module_of(file: str) -> str:
    """Return a file as it is called wherever it is installed."""
    return "/".join(Path(file).parts[-2:])


def measure(plan: Plan) -> Report:
    """Call the project's views, in the project and in bare Flask, in turn."""
    room = plan.room("request")
    project = rendered(room / "project")
    views = views_of(project)
    report = Report(f"Instructions of a request, as a multiple of {BASELINE}")
    rows = []
    for path in ("/healthz",) if plan.smoke else ("/healthz", "/"):
        calls = {
            BASELINE: Call(views, path),
            "bare Flask with a SECRET_KEY": Call(views, path, KEY),
            PROJECT: Call(project, path),
            "the project behind nginx": Call(project, path, {"PROXY_HOPS": 1}, NGINX),
        }
        times = in_turn(
            plan.times(15),
            {n: partial(call.microseconds, 2000) for n, call in calls.items()},
        )
        counted = instructions(calls, plan.times(3))
        for name in calls:
            spread = ratio(counted[name], counted[BASELINE])
            target = TARGET if path == "/healthz" and name == PROJECT else None
            report.bars.append(Bar(f"{path}: {name}", spread, target))
            rows.append(
                {
                    "view": f"`{path}`",
                    "in": name,
                    "instructions": f"{statistics.median(counted[name]) / 1e3:.0f} k",
                    "ratio": str(spread),
                    "time": f"{statistics.median(times[name]):.0f} µs",
                    "ratio of times": str(ratio(times[name], times[BASELINE])),
                }
            )
    more = where(Call(views, "/healthz"), Call(project, "/healthz"))
    report.text = f"{table(rows)}\n{more}"
    return report


def instructions(calls: dict[str, Call], rounds: int) -> dict[str, Samples]:
    """Count the instructions of calls; not in turn, because nothing disturbs that."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {
            name: [pool.submit(call.instructions, seed) for seed in range(rounds)]
            for name, call in calls.items()
        }
        return {name: [f.result() for f in found] for name, found in futures.items()}


def where(bare: Call, project: Call) -> str:
    """Say in which modules a project's request spends more time than a bare one."""
    before, after = (call.profile(5000) for call in (bare, project))
    total = sum(after.values())
    more = {name: after[name] - before[name] for name in list(after)}
    most = sorted(more, key=lambda name: more[name], reverse=True)[:10]
    rows = [
        {"module": f"`{name}`", "share of the request": f"{more[name] / total:.0%}"}
        for name in most
    ]
    title = "Where the project's `/healthz` spends more than the bare one (cProfile):"
    return f"{title}\n\n{table(rows)}"
