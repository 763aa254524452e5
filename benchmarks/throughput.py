"""Throughput and latency through nginx, with what the server does on its own."""

import contextlib
import shutil
import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.projects import SERVERS, bake

from . import serving
from .applications import BARE, bare
from .measure import Bar, Plan, Report, Samples, in_turn, ratio, table
from .serving import Load, Served

TARGET = 0.85
STATIC = ("nginx", "a static file")
SECONDS = 2

ALONE = "bare Flask, no nginx"
VIEW = "bare Flask behind nginx"
PROJECT = "the project behind nginx"

Key = tuple[str, str, bool]  # the server, what it serves, whether with keep-alive


def measure(plan: Plan) -> Report:
    """Load each server in three ways, with and without keep-alive, in turn."""
    with contextlib.ExitStack() as stack:
        served = {
            (server, what): stack.enter_context(site)
            for server in SERVERS
            for what, site in ways(plan.directory / server, server)
        }
        keys = [(*key, keep) for key in served for keep in (True, False)]
        cases = {
            key: partial(served[key[:2]].load, plan.times(SECONDS), keep=key[2])
            for key in keys
        }
        nginx = served[SERVERS[0], PROJECT]
        for keep in (True, False):
            cases[*STATIC, keep] = partial(
                nginx.load, plan.times(SECONDS), "/static/icon.svg", keep=keep
            )
        loads = in_turn(plan.times(5), cases)
        memory = {key: site.memory() for key, site in served.items()}
    report = Report("Requests a second, as a multiple of bare Flask on the same server")
    for server, what, keep in keys:
        if what != ALONE:
            label = f"{server}, {what}{'' if keep else ', new connections'}"
            spread = ratio(
                rates(loads[server, what, keep]), rates(loads[server, ALONE, keep])
            )
            report.bars.append(Bar(label, spread, TARGET if keep else None))
    rows = [row(key, found, loads) for key, found in loads.items()]
    megabytes = [
        {"server": server}
        | {what: f"{memory[server, what]:.0f}" for what in (ALONE, VIEW, PROJECT)}
        for server in SERVERS
    ]
    title = "Memory of a worker after the load (PSS, in MB):"
    report.text = f"{table(rows)}\n{title}\n\n{table(megabytes)}"
    return report


def ways(
    directory: Path, server: str
) -> Iterator[tuple[str, AbstractContextManager[Served]]]:
    """Yield each way to serve the view, with what serves it so."""
    project = bake(directory / "project", {"wsgi_server": server})
    view = bake(directory / "view", {"wsgi_server": server})
    shutil.copy(BARE, view.path / view.package / "__init__.py")
    yield ALONE, serving.alone(server, bare(directory / "bare"), project)
    yield VIEW, serving.behind_nginx(view)
    yield PROJECT, serving.behind_nginx(project)


def row(key: Key, found: list[Load], loads: dict[Key, list[Load]]) -> dict[str, str]:
    """Return a row of the table."""
    server, what, keep = key
    baseline = loads.get((server, ALONE, keep), found)
    static = ratio(rates(found), rates(loads[*STATIC, keep]))
    return {
        "server": server,
        "keep-alive": "yes" if keep else "no",
        "what": what,
        "requests/s": f"{statistics.median(rates(found)):.0f}",
        "ratio": str(ratio(rates(found), rates(baseline))),
        "to the file": f"{static.median:.3f}",
        "p50 ms": median_of(found, "p50"),
        "p99 ms": median_of(found, "p99"),
        "p99.9 ms": median_of(found, "p999"),
        "server µs": median_of(found, "server", digits=0),
        "nginx µs": median_of(found, "nginx", digits=0),
    }


def rates(loads: list[Load]) -> Samples:
    """Return how many requests were answered in a second."""
    assert not any(load.failed for load in loads), "there are errors in it"
    return [load.rate for load in loads]


def median_of(loads: list[Load], name: str, digits: int = 1) -> str:
    """Return the median of a time."""
    return f"{statistics.median(getattr(load, name) for load in loads):.{digits}f}"
