"""Growth: with the number of blueprints, of processes and threads, of connections."""

import contextlib
import statistics
import time
from functools import partial
from pathlib import Path

from conftest import SERVERS, Project
from e2e.conftest import with_trial

from . import applications, serving
from .measure import Bar, Plan, Report, Samples, Spread, in_turn, ratio, table
from .request import Call
from .start import start
from .throughput import median_of, rates

BLUEPRINTS = (1, 10, 100)
NUMBERS = (1, 2, 4)  # of processes, and of threads
CONNECTIONS = (10, 100, 1000)

# One view computes, the other one waits for something else, as most views do.
VIEWS = {"computes": "/healthz", "waits 20 ms": "/trial/body/a?delay=0.02&size=20"}


def measure(plan: Plan) -> Report:
    """Measure all three, one after the other."""
    report = Report("Growth, as a multiple of what each table says")
    parts = {
        "Blueprints, with bare Flask that has as many of them": blueprints,
        "Processes and threads, with those of a project as it is rendered": numbers,
        f"Connections, with {CONNECTIONS[0]} of them": connections,
    }
    for title, part in parts.items():
        rows = part(plan, report.bars)
        report.text += f"### {title}\n\n{table(rows)}\n"
    return report


def blueprints(plan: Plan, bars: list[Bar]) -> list[dict[str, str]]:
    """Start applications with some blueprints, and call the view of the last one."""
    cases = {}
    for number in plan.some(BLUEPRINTS):
        for name, make in (
            ("bare", applications.bare),
            ("ours", applications.rendered),
        ):
            application = make(plan.directory / f"{name}-{number}")
            applications.with_blueprints(application, number)
            call = Call(application, f"/part{number - 1}/")
            cases["start", name, number] = partial(start, application, plan.times(3))
            cases["request", name, number] = partial(call.microseconds, 1000)
    found = in_turn(plan.times(5), cases)
    rows = []
    for what in ("start", "request"):
        for number in plan.some(BLUEPRINTS):
            ours, bare = (found[what, name, number] for name in ("ours", "bare"))
            spread = ratio(ours, bare)
            bars.append(Bar(f"{what}, blueprints: {number}", spread))
            rows.append(
                {
                    "what": what,
                    "blueprints": str(number),
                    "bare Flask": time_of(what, bare),
                    "the project": time_of(what, ours),
                    "ratio": str(spread),
                }
            )
    return rows


def time_of(what: str, samples: Samples) -> str:
    """Return the median of times as a table shows it."""
    median = Spread.of(samples).median
    return f"{median * 1e3:.0f} ms" if what == "start" else f"{median:.0f} µs"


def numbers(plan: Plan, bars: list[Bar]) -> list[dict[str, str]]:
    """Serve two views by other numbers of processes and threads than the rendered."""
    room = plan.room("numbers")
    usual = {}
    cases = {}
    with contextlib.ExitStack() as stack:
        for server in SERVERS:
            first, *others = plan.some(choices(project_of(server, room / server)))
            usual[server] = first
            for counts in (first, *others):
                project = project_of(server, room / f"{server}-{named(counts)}")
                serving.with_counts(project, *counts)
                site = stack.enter_context(serving.behind_nginx(project))
                for view, path in VIEWS.items():
                    load = partial(site.load, plan.times(1), path)
                    cases[server, counts, view] = load
        found = {
            key: rates(loads) for key, loads in in_turn(plan.times(5), cases).items()
        }
    rows = []
    for server, counts, view in cases:
        samples = found[server, counts, view]
        spread = ratio(samples, found[server, usual[server], view])
        if counts != usual[server]:
            bars.append(Bar(f"{server} {named(counts)}, view that {view}", spread))
        rows.append(
            {
                "server": server,
                "processes x threads": named(counts),
                "view that": view,
                "requests/s": f"{statistics.median(samples):.0f}",
                "ratio": str(spread),
            }
        )
    return rows


def named(counts: tuple[int, int]) -> str:
    """Return numbers of processes and threads as a table shows them."""
    return "x".join(map(str, counts))


def choices(project: Project) -> list[tuple[int, int]]:
    """Return the numbers of processes and threads that are tried; as rendered first.

    One of the two stays as it is; there is no second process where there is one only.
    """
    processes, threads = serving.counts(project)
    others = [(number, threads) for number in NUMBERS if processes > 1]
    others += [(processes, number) for number in NUMBERS]
    return list(dict.fromkeys([(processes, threads), *others]))


def project_of(server: str, directory: Path) -> Project:
    """Make a project with the views of the end-to-end tests."""
    project = applications.bake(directory / "plain", wsgi_server=server)
    return with_trial(project, directory / "trial")


def connections(plan: Plan, bars: list[Bar]) -> list[dict[str, str]]:
    """Load the project of each server by few connections and by many."""
    room = plan.room("connections")
    cases = {}
    with contextlib.ExitStack() as stack:
        for server in SERVERS:
            project = applications.bake(room / server, wsgi_server=server)
            site = stack.enter_context(serving.behind_nginx(project))
            for number in plan.some(CONNECTIONS):
                cases[server, number] = partial(load, site, plan.times(2), number)
        found = in_turn(plan.times(5), cases)
    rows = []
    for server, number in cases:
        loads = found[server, number]
        spread = ratio(rates(loads), rates(found[server, CONNECTIONS[0]]))
        if number != CONNECTIONS[0]:
            bars.append(Bar(f"{server}, {number} connections", spread))
        rows.append(
            {
                "server": server,
                "connections": str(number),
                "requests/s": f"{statistics.median(rates(loads)):.0f}",
                "ratio": str(spread),
                "p50 ms": median_of(loads, "p50"),
                "p99 ms": median_of(loads, "p99"),
                "p99.9 ms": median_of(loads, "p999"),
            }
        )
    return rows


def load(site: serving.Served, seconds: int, number: int) -> serving.Load:
    """Load a site by a number of connections."""
    time.sleep(1)  # it still answers what the load before has left behind
    return site.load(seconds, connections=number)
