"""Restart under load: the longest request, with what a cold start takes."""

import contextlib
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass
from functools import partial

from tests.e2e.conftest import PIP, wheels
from tests.e2e.machine import Machine, missing
from tests.e2e.service import Service
from tests.projects import SERVERS, bake

from . import serving
from .measure import Bar, Plan, Report, Samples, in_turn, ratio, table

TARGET = 1.5
PATH = "/healthz"


@dataclass(frozen=True)
class Restart:
    """How long requests took, in seconds."""

    longest: float  # in a restart under load
    cold: float  # the first one, which starts the service


def measure(plan: Plan) -> Report:
    """Restart and start the service of each server in turn, on Debian under systemd."""
    assert not missing(), f"needs {', '.join(missing())}"
    with contextlib.ExitStack() as stack:
        projects = [bake(plan.directory / s, {"wsgi_server": s}) for s in SERVERS]
        binds = {"/wheels": wheels(projects)}
        services = {}
        for server, project in zip(SERVERS, projects, strict=True):
            machine = Machine(plan.directory / f"machine-{server}", binds)
            stack.enter_context(machine)
            machine.write("/etc/pip.conf", PIP)
            services[server] = Service(project, machine)
            machine.copy(project.path, services[server].home)
            services[server].install()
        cases = {s: partial(restart, service) for s, service in services.items()}
        restarts = in_turn(plan.times(9), cases)
    report = Report("Longest request in a restart, as a multiple of a cold start")
    rows = []
    for server, found in restarts.items():
        longest: Samples = [one.longest for one in found]
        cold: Samples = [one.cold for one in found]
        spread = ratio(longest, cold)
        report.bars.append(Bar(server, spread, TARGET))
        rows.append(
            {
                "server": server,
                "cold start": f"{statistics.median(cold):.2f} s",
                "longest request": f"{statistics.median(longest):.2f} s",
                "ratio": str(spread),
            }
        )
    report.text = table(rows)
    return report


def restart(service: Service) -> Restart:
    """Restart a service under load, then start it by a request."""
    headers = serving.HEADERS
    command = serving.wrk(80, 60, PATH, serving.CONNECTIONS, headers)
    process = subprocess.Popen(
        service.machine.in_network(*command), stdout=subprocess.PIPE, text=True
    )
    try:
        time.sleep(1)
        service.systemctl("restart")
        first_answer(service)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    load = serving.parse(output)
    assert not load.failed, f"{load.failed} requests were not answered"
    service.run("systemctl", "stop", f"{service.project.slug}.service")
    return Restart(load.longest / 1000, first_answer(service))


def first_answer(service: Service) -> float:
    """Return how many seconds it takes until a request is answered."""
    started = time.monotonic()
    assert service.client.get(PATH).status == 200  # noqa: PLR2004
    return time.monotonic() - started
