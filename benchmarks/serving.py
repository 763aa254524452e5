"""Servers that are compared, and the load that they get."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.e2e import plain
from tests.e2e.client import Client
from tests.e2e.service import eventually
from tests.projects import PYTHON, Project, clean_environment

from .applications import Application

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 32

# What a browser sends, too: each server has to read it.
HEADERS = {
    "Host": "example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.5",
}

# How each server is run on its own: as its documentation begins, with as many
# processes and threads as the project has. By `http11-socket`, uWSGI could keep
# connections; but each would hold a thread, and who comes later would wait forever.
BARE = {
    "waitress": "waitress-serve --threads={threads} --listen=127.0.0.1:{port} "
    "--call bare:create_app",
    "uwsgi": "uwsgi --http-socket=127.0.0.1:{port} --module=bare:create_app() --master "
    "--processes={processes} --threads={threads} --listen=1024 --disable-logging "
    "--die-on-term",
    "gunicorn": "gunicorn --workers={processes} --threads={threads} "
    "--bind=127.0.0.1:{port} bare:create_app()",
}

# How the settings of the servers name their processes and threads.
PROCESSES = re.compile(r"^((?:processes|workers) = )(\d+)$", re.MULTILINE)
THREADS = re.compile(r"^(THREADS = )(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What wrk has found; times in milliseconds."""

    rate: float  # requests a second
    p50: float
    p99: float
    p999: float
    longest: float
    failed: int
    server: float = 0.0  # microseconds of processor time for each request
    nginx: float = 0.0


@dataclass(frozen=True)
class Served:
    """Something that answers on a port, and the ids of its processes."""

    port: int
    server: list[int]
    nginx: list[int] = field(default_factory=list)

    def load(
        self,
        seconds: int,
        path: str = "/healthz",
        connections: int = CONNECTIONS,
        *,
        keep: bool = True,
    ) -> Load:
        """Load it for some seconds."""
        headers = HEADERS if keep else HEADERS | {"Connection": "close"}
        command = wrk(self.port, seconds, path, connections, headers)
        server, nginx = processor_time(self.server), processor_time(self.nginx)
        result = subprocess.run(command, capture_output=True, check=True, text=True)
        server, nginx = (
            processor_time(self.server) - server,
            processor_time(self.nginx) - nginx,
        )
        load = parse(result.stdout)
        requests = load.rate * seconds / 1e6
        return replace(load, server=server / requests, nginx=nginx / requests)

    def memory(self) -> float:
        """Return the megabytes of one worker, its share of what they share (PSS)."""
        workers = [pid for pid in self.server if not children(pid)]
        return statistics.mean(map(proportional_set_size, workers))


def parse(output: str) -> Load:
    """Return what wrk has printed."""
    return Load(**json.loads(output.splitlines()[-1]))


def wrk(
    port: int, seconds: int, path: str, connections: int, headers: dict[str, str]
) -> list[str]:
    """Return the command of a load."""
    return [
        *("wrk", "--threads=1", f"--connections={connections}"),
        *(f"--duration={seconds}", f"--script={SCRIPT}", "--timeout=30"),
        *(f"--header={name}: {value}" for name, value in headers.items()),
        f"http://127.0.0.1:{port}{path}",
    ]


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def descendants(pid: int) -> set[int]:
    """Return these, and theirs."""
    found = children(pid)
    return set(found).union(*map(descendants, found))


def proportional_set_size(pid: int) -> float:
    """Return how much memory a process has, in megabytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss: +(\d+) kB$", text, re.MULTILINE)[0]) / 1024


def processor_time(processes: list[int]) -> float:
    """Return how many seconds processes have computed."""
    ticks = 0
    for pid in processes:
        _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
        ticks += sum(map(int, fields.split()[11:13]))  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def command_of(pid: int) -> str:
    """Return what a process is called by."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def counts(project: Project) -> tuple[int, int]:
    """Return how many processes and how many threads in each a project has."""
    text = "\n".join(path.read_text() for path in settings_of(project))
    processes, threads = (PATTERN.findall(text) for PATTERN in (PROCESSES, THREADS))
    return int(processes[0][1]) if processes else 1, int(threads[0][1])


def settings_of(project: Project) -> list[Path]:
    """Return the files that may hold the settings of the server."""
    package = project.path / project.package
    patterns = ("server.py", "*.conf.py", "*.ini", "config/default.cfg")
    return [path for pattern in patterns for path in package.glob(pattern)]


@contextlib.contextmanager
def behind_nginx(project: Project) -> Generator[Served]:
    """Serve a project by the nginx and the server that it comes with."""
    before = descendants(os.getpid())
    processes, _ = counts(project)
    with plain.serve(project) as served:
        time.sleep(processes)  # the first of them answers before the others are there
        started = descendants(os.getpid()) - before
        nginx = [pid for pid in started if "nginx" in command_of(pid)]
        server = [pid for pid in started if pid not in nginx]
        yield Served(served.client.port, server, nginx)


@contextlib.contextmanager
def alone(server: str, application: Application, project: Project) -> Generator[Served]:
    """Serve the least application by a server alone, in as many threads as a project's.

    Args:
        server: What serves it.
        application: The least application.
        project: The project whose number of processes and threads it has.

    """
    (port,) = plain.free_ports(1)
    processes, threads = counts(project)
    line = BARE[server].format(port=port, processes=processes, threads=threads)
    command, *arguments = line.split()
    process = subprocess.Popen(
        [PYTHON.with_name(command), *arguments],
        cwd=application.directory,
        env={**clean_environment(), **application.environment},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: plain.answers(Client("localhost", port)))
        time.sleep(processes)  # as above
        yield Served(port, [process.pid, *descendants(process.pid)])
    finally:
        process.terminate()
        process.wait()
