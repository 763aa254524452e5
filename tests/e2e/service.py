"""A project that is installed on a machine, as its people see it."""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from tests.projects import PYTHON, Project

from .client import Client
from .load import Report
from .machine import Machine

LOAD = Path(__file__).with_name("load.py")


class Site(Protocol):
    """What can be asked, and what has logged it."""

    project: Project

    @property
    def client(self) -> Client:
        """A client for it."""
        raise NotImplementedError

    @property
    def redirecting(self) -> Client:
        """A client for port 80."""
        raise NotImplementedError

    def nginx_log(self) -> str:
        """Return what nginx has logged of requests."""
        raise NotImplementedError

    def application_log(self) -> str:
        """Return what the application has logged."""
        raise NotImplementedError


@dataclass
class Load:
    """A load that goes on in the background; in the end it has a report."""

    report: Report = field(default_factory=Report)

    def __str__(self) -> str:
        """Return the figures."""
        report = self.report
        lost = sum(report.failed.values())
        kinds = f" {report.failed} {report.first_failures[:2]}" if lost else ""
        return (
            f"{report.gets} GET and {report.posts} POST in {report.seconds:.0f} s, "
            f"{lost} failed{kinds}, {report.retried} sent again, "
            f"the longest took {report.longest:.2f} s"
        )


@dataclass
class Service:
    """A service on a machine."""

    project: Project
    machine: Machine

    @property
    def home(self) -> str:
        """The directory on the machine that it is installed from."""
        return f"/root/{self.project.slug}"

    @property
    def host(self) -> str:
        """The first name that it answers to."""
        return str(self.project.answers["server_name"]).split()[0]

    @property
    def tls(self) -> bool:
        """Whether it is to be spoken to by TLS."""
        return bool(self.project.answers["https"] == "yes")

    @property
    def client(self) -> Client:
        """A client for it."""
        port = 443 if self.tls else 80
        return Client(self.host, port, self.tls, self.machine.network)

    @property
    def redirecting(self) -> Client:
        """A client for port 80."""
        return Client(self.host, 80, network=self.machine.network)

    def nginx_log(self) -> str:
        """Return what nginx has logged of requests."""
        return self.machine.read(f"/var/log/nginx/{self.project.slug}.access.log")

    def application_log(self) -> str:
        """Return what the application has logged."""
        return self.journal()

    def section(self, heading: str) -> str:
        """Return what is under a heading of `deploy/README.md`."""
        text = (self.project.path / "deploy" / "README.md").read_text()
        (section,) = re.findall(
            rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
        )
        return str(section)

    def commands(self, heading: str) -> list[str]:
        """Return the blocks of commands under a heading of `deploy/README.md`."""
        text = self.section(heading)
        return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)

    def do(self, block: str) -> None:
        """Execute a block of commands as it stands."""
        self.run("sh", "-e", "-c", block)

    def install(self) -> None:
        """Install it by the commands of its README."""
        for block in self.commands("Install, upgrade, roll back"):
            if "rollback" not in block:
                self.do(block)

    def upgrade(self) -> None:
        """Install it again."""
        self.run("sudo", "deploy/install")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on the machine, in the project; return what it says."""
        return self.machine.run(*command, check=check, cwd=self.home).stdout

    def systemctl(self, verb: str, *arguments: str, check: bool = True) -> str:
        """Have systemd do something with it."""
        return self.run("systemctl", verb, *arguments, self.project.slug, check=check)

    def journal(self, *arguments: str) -> str:
        """Return what it has logged."""
        unit = f"--unit={self.project.slug}.service"
        return self.run("journalctl", "--output=cat", "--no-pager", unit, *arguments)

    def main_pid(self) -> str:
        """Return the process id of its main process, as the machine counts."""
        return self.systemctl("show", "--property=MainPID", "--value").strip()

    def release(self, name: str) -> None:
        """Copy the project to the machine, as a release of this name."""
        trial = self.project.path / self.project.package / "trial.py"
        lines = trial.read_text().splitlines()
        changed = [
            f'RELEASE = "{name}"' if x.startswith("RELEASE") else x for x in lines
        ]
        trial.write_text("\n".join([*changed, ""]))
        self.machine.copy(self.project.path, self.home)

    @contextlib.contextmanager
    def load(self, *, hold: bool = True, **plan: float) -> Generator[Load]:
        """Load it as the plan says, and at least as long as the block takes."""
        options = {"port": self.client.port, "host": self.host, **plan}
        arguments = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
        command: list[str | Path] = [PYTHON, LOAD, *arguments]
        command += ["--hold"] if hold else []
        command += ["--tls"] if self.tls else []
        load = Load()
        process = subprocess.Popen(
            self.machine.in_network(*command), stdout=subprocess.PIPE, text=True
        )
        try:
            time.sleep(1)
            yield load
            if hold:
                process.terminate()
            output, _ = process.communicate(timeout=plan.get("seconds", 300) + 90)
        finally:
            process.kill()
            process.wait()
        load.report = Report(**json.loads(output))


def eventually(condition: Callable[[], bool], seconds: float = 30) -> float:
    """Wait for a condition; return how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not come true in time"
        time.sleep(0.05)
    return time.monotonic() - started


def need(lacking: list[str]) -> None:
    """Skip the test where something is missing; in CI that is a failure."""
    if lacking:
        reason = f"needs {', '.join(lacking)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
