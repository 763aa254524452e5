"""Start: from the command to the first answer, on each server."""

import http
import http.client
import os
import re
import signal
import statistics
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.e2e import plain
from tests.projects import PYTHON, SERVERS, Project, bake, clean_environment

from .applications import Application, bare, of
from .measure import Bar, Plan, Report, Spread, in_turn, ratio, table
from .serving import BARE, counts

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 1.15
LONGEST = 30  # seconds until a server has to answer
# What the installed command is, which lies beside the interpreter.
COMMAND = "import sys; from {0}.__main__ import main; sys.argv[0] = '{1}'; main()"
IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)
FACTORY = "create_app"
LEAST = 0.1  # milliseconds; what takes less has no line of its own


def measure(plan: Plan) -> Report:
    """Start a project on each server, and bare Flask on the same, in turn."""
    room = plan.room("start")
    least = bare(room / "bare")
    projects = {s: bake(room / s, {"wsgi_server": s}) for s in SERVERS}
    cases: dict[tuple[str, str], Callable[[], float]] = {}
    for server, project in projects.items():
        application = of(project).compile()
        cases[server, "bare"] = partial(start, least, bare_command(server, project))
        cases[server, "project"] = partial(start, application, command_of(project))
    samples = in_turn(plan.times(25), cases)
    report = Report(
        "Time from the command to the first answer, as a multiple of bare Flask"
    )
    rows = []
    for server in SERVERS:
        pair = samples[server, "bare"], samples[server, "project"]
        spread = ratio(pair[1], pair[0])
        report.bars.append(Bar(server, spread, TARGET))
        before, after = (f"{Spread.of(s).median * 1e3:.0f} ms" for s in pair)
        row = {"server": server, "bare Flask": before, "project": after}
        rows.append({**row, "ratio": str(spread)})
    first = of(projects[SERVERS[0]])
    report.text = f"{table(rows)}\n{what_for(least, first, plan.times(9))}"
    return report


def bare_command(server: str, project: Project) -> list[str]:
    """Return the command of bare Flask, with as many processes and threads."""
    processes, threads = counts(project)
    line = BARE[server].format(port="{port}", processes=processes, threads=threads)
    name, *arguments = line.split()
    return [str(PYTHON.with_name(name)), *arguments]


def command_of(project: Project) -> list[str]:
    """Return the command of a project."""
    code = COMMAND.format(project.package, PYTHON.with_name(project.slug))
    return [str(PYTHON), "-c", code, "--port={port}"]


def start(application: Application, command: list[str]) -> float:
    """Return how many seconds pass until it has answered a request."""
    (port,) = plain.free_ports(1)
    began = time.perf_counter()
    process = subprocess.Popen(
        [word.replace("{port}", str(port)) for word in command],
        cwd=application.directory,
        env={**clean_environment(), **application.environment},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not answers(port):
            assert process.poll() is None, command
            assert time.perf_counter() - began < LONGEST, command
            time.sleep(0.001)
        return time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the workers, too
        process.wait()
        time.sleep(0.1)  # until the workers have ended


def answers(port: int) -> bool:
    """Return whether the health check responds; wait for that once it listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except ConnectionError:
        return False
    finally:
        connection.close()


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
    code = "create_app(); import time; t = time.perf_counter(); create_app(); "
    code += "print(time.perf_counter() - t)"
    result = application.python("-X", "importtime", "-c", program(application, code))
    found = {name: int(own) / 1e3 for own, name in IMPORT.findall(result.stderr)}
    return found | {FACTORY: float(result.stdout) * 1e3}


def medians(results: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each entry."""
    return {name: statistics.median(r[name] for r in results) for name in results[0]}
