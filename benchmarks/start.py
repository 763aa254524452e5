"""Start: from nothing to an application, in a fresh interpreter."""

import re
import statistics
import sys
from functools import partial

from tests.projects import LAYOUTS

from .applications import Application, bare, rendered
from .measure import Bar, Plan, Report, Spread, in_turn, ratio, table

TARGET = 1.15
BASELINE = "bare Flask with one view"
IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)
FACTORY = "create_app"
LEAST = 0.1  # milliseconds; what takes less has no line of its own


def measure(plan: Plan) -> Report:
    """Start a project of each layout, and bare Flask, in turn."""
    room = plan.room("start")
    applications = {BASELINE: bare(room / "bare")}
    for layout in LAYOUTS:
        applications[f"a project with its settings in `{layout}`"] = rendered(
            room / layout, config_layout=layout
        )
    samples = in_turn(
        plan.times(9),
        {n: partial(start, a, plan.times(5)) for n, a in applications.items()},
    )
    report = Report(f"Time to start, as a multiple of {BASELINE}")
    rows = []
    for name, seconds in samples.items():
        spread = ratio(seconds, samples[BASELINE])
        report.bars.append(Bar(name, spread, None if name == BASELINE else TARGET))
        time = f"{Spread.of(seconds).median * 1e3:.1f} ms"
        rows.append({"what": name, "time": time, "ratio": str(spread)})
    bare_one, first, *_ = applications.values()
    report.text = f"{table(rows)}\n{what_for(bare_one, first, plan.times(9))}"
    return report


def start(application: Application, runs: int) -> float:
    """Return how many seconds it takes to start."""
    return application.seconds(sys.executable, "-c", program(application), runs=runs)


def program(application: Application, then: str = "create_app()") -> str:
    """Return a program that imports the application, and does something then."""
    return f"from {application.package} import create_app; {then}"


def what_for(before: Application, after: Application, rounds: int) -> str:
    """Say what each further millisecond is for: modules, and calling the factory."""
    cases = {a.package: partial(parts, a) for a in (before, after)}
    results = in_turn(rounds, cases)
    least, most = (medians(results[a.package]) for a in (before, after))
    factory = most.pop(FACTORY) - least.pop(FACTORY)
    more = sorted(((most[n], n) for n in most if n not in least), reverse=True)
    rows = [(f"import of `{name}`", time) for time, name in more if time >= LEAST]
    rest = [time for time, _ in more if time < LEAST]
    rows += [(f"import of {len(rest)} other modules", sum(rest))]
    rows += [("`create_app()`, more than in bare Flask", factory)]
    lines = [{"what for": name, "ms": f"{time:.1f}"} for name, time in rows]
    return f"What the project does more than bare Flask:\n\n{table(lines)}"


def parts(application: Application) -> dict[str, float]:
    """Return the milliseconds of each module, by -X importtime, and of the factory."""
    code = "import time; t = time.perf_counter(); create_app(); "
    code += "print(time.perf_counter() - t)"
    result = application.python("-X", "importtime", "-c", program(application, code))
    found = {name: int(own) / 1e3 for own, name in IMPORT.findall(result.stderr)}
    return found | {FACTORY: float(result.stdout) * 1e3}


def medians(results: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each entry."""
    return {name: statistics.median(r[name] for r in results) for name in results[0]}
