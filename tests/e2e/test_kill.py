"""`deploy/install` is killed or interrupted at each of its steps.

What a step is, and how the program is ended before it, is in `kill.py`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import SERVERS

from .client import Client
from .conftest import PIP, answers_of, wheels, with_trial
from .machine import CONNECTIONS, Machine, missing
from .service import Service, eventually, need

pytestmark = pytest.mark.e2e

# Another site on the machine, which must answer all the time.
OTHER = "server { listen 80; server_name other.example; return 200 other; }\n"
CONFIGURATION = (
    "/etc/nginx",
    "/etc/systemd/system",
    "/srv/*/current",
    "/srv/*/previous",
)


@pytest.fixture
def service(
    request: pytest.FixtureRequest, bake: Bake, tmp_path: Path
) -> Iterator[Service]:
    """Return a service that is not installed yet, on a machine with another site."""
    need(missing())
    server = request.param
    project = with_trial(bake(**answers_of(server, "no")), tmp_path)
    projects = [bake(**answers_of(name, "no")) for name in SERVERS]
    with Machine(tmp_path / f"kill-{server}", {"/wheels": wheels(projects)}) as machine:
        machine.write("/etc/pip.conf", PIP)
        machine.write("/etc/nginx/sites-enabled/other", OTHER)
        machine.run("systemctl", "restart", "nginx")
        machine.run("sh", "-ec", CONNECTIONS)
        (packages,) = machine.root.glob("usr/local/lib/python3.*/dist-packages")
        shutil.copy(Path(__file__).with_name("kill.py"), packages)
        (packages / "kill.pth").write_text("import kill\n")
        service = Service(project, machine)
        service.release("1")
        yield service


def deploy(
    service: Service, command: str = "install", kill_at: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a deploy command, which may fail."""
    words = [] if kill_at is None else ["env", f"KILL_AT={kill_at}"]
    words.append(f"deploy/{command}")
    return service.machine.run(*words, cwd=service.home, check=False)


def steps_of(service: Service) -> list[str]:
    """Install the service; return the steps that this takes."""
    result = deploy(service, kill_at="")
    assert result.returncode == 0, result.stdout
    steps = re.findall(r"^step (.+)$", result.stdout, re.MULTILINE)
    assert len(steps) > 20
    return list(dict.fromkeys(steps))


def configuration(service: Service) -> str:
    """Return all that decides what the machine serves."""
    command = f"find {' '.join(CONFIGURATION)} ! -type d -printf '%p %l\\n' -a -type f"
    command += r" -exec sha256sum {} +"
    return service.run("sh", "-c", f"({command}) 2>/dev/null | sort", check=False)


def release_of(service: Service) -> str:
    """Return the release that answers; what nginx answers if there is none."""
    reply = service.client.get("/trial/echo")
    return reply["X-Release"] or f"{reply.status} by nginx"


def check_machine(service: Service) -> None:
    """See that nginx would start, and that the other site answers."""
    valid = service.machine.run("nginx", "-t", check=False)
    assert valid.returncode == 0, valid.stdout
    other = Client("other.example", 80, network=service.machine.network)
    assert other.get("/").text == "other"


@pytest.mark.parametrize("service", ["gunicorn"], indirect=True)
def test_a_first_install_that_is_killed_changes_nothing_that_serves(
    service: Service,
) -> None:
    """The next command restores all of it, and the next install succeeds."""
    before = configuration(service)
    steps = steps_of(service)
    service.run("deploy/uninstall", "--purge")
    assert configuration(service) == before
    loaded = steps.index("systemctl reload-or-restart nginx")
    for number, step in enumerate(steps):
        killed = deploy(service, kill_at=f"SIGKILL {step}")
        assert killed.returncode == -9, f"{step}\n{killed.stdout}"
        check_machine(service)
        expected = "1" if number > loaded else "404 by nginx"
        assert release_of(service) == expected, step
        repaired = deploy(service, "rollback")
        assert "there is no release to go back to" in repaired.stdout
        assert configuration(service) == before, step
        # The old workers of nginx answer for some milliseconds after a reload.
        eventually(lambda: release_of(service) == "404 by nginx", seconds=5)
        check_machine(service)
    assert deploy(service).returncode == 0
    assert release_of(service) == "1"


def prepare(service: Service, name: str) -> None:
    """Bring a release to the machine that differs in every file that is installed."""
    service.release(name)
    places = ("nginx.conf", "nginx-default.conf", "*.service", "*.socket")
    for place in places:
        for path in (service.machine.root / service.home[1:] / "deploy").glob(place):
            path.write_text(f"# release {name}\n{path.read_text()}")


def prepare_for(service: Service, step: str, number: int) -> str:
    """Bring a release to the machine that is not built yet, if the step builds it."""
    if "-m venv" in step or "-m pip" in step or "/releases/N" in step:
        prepare(service, f"2.{number}")
    path = f"{service.home}/{service.project.package}/trial.py"
    (name,) = re.findall(r'(?m)^RELEASE = "(.+)"', service.machine.read(path))
    return str(name)


def upgrade_steps(service: Service) -> list[str]:
    """Install a release and return the steps of the upgrade to another; go back."""
    prepare(service, "1")
    assert deploy(service).returncode == 0
    prepare(service, "2")
    steps = steps_of(service)
    assert release_of(service) == "2"
    assert deploy(service, "rollback").returncode == 0
    assert release_of(service) == "1"
    return steps


@pytest.mark.parametrize("service", ["waitress"], indirect=True)
def test_an_upgrade_that_is_killed_serves_one_release_and_is_repeated(
    service: Service,
) -> None:
    """The old one until the restart; the next run installs, and can be rolled back."""
    steps = upgrade_steps(service)
    build = next(number for number, step in enumerate(steps) if "-m venv" in step)
    # The unit of the socket has changed: its restart stops the old release.
    restart = steps.index(f"systemctl restart {service.project.slug}.socket")
    before = configuration(service)
    for number, step in enumerate(steps):
        name = prepare_for(service, step, number)
        killed = deploy(service, kill_at=f"SIGKILL {step}")
        assert killed.returncode == -9, f"{step}\n{killed.stdout}"
        check_machine(service)
        assert release_of(service) == (name if number > restart else "1"), step
        if number < build:
            continue  # nothing has changed yet
        again = deploy(service)
        assert again.returncode == 0, f"{step}\n{again.stdout}"
        assert release_of(service) == name, step
        back = deploy(service, "rollback")
        assert back.returncode == 0, f"{step}\n{back.stdout}"
        assert release_of(service) == "1", step
    assert without_previous(configuration(service)) == without_previous(before)


def without_previous(text: str) -> list[str]:
    """Return a configuration without the release that was there before."""
    return [line for line in text.splitlines() if "/previous " not in line]


@pytest.mark.parametrize("service", ["uwsgi"], indirect=True)
def test_an_interrupted_install_leaves_the_machine_as_it_was(service: Service) -> None:
    """A first one, and an upgrade; each restores everything."""
    before = configuration(service)
    steps = steps_of(service)
    service.run("deploy/uninstall", "--purge")
    check_interruptions(service, steps, before, "404 by nginx")
    steps = upgrade_steps(service)
    check_interruptions(service, steps, configuration(service), "1")


def check_interruptions(
    service: Service, steps: list[str], before: str, answered: str
) -> None:
    """Interrupt an installation at each step, until it is too late."""
    # What all releases share is made in one step, and kept.
    shared = re.compile(
        r"os\.\w+ (/srv/[^/]+/releases|/etc/[^/]+|/var/lib/.+|.+/settings\..+)"
    )
    (end,) = (
        step for step in steps if step.endswith("/undo.json") and "remove" in step
    )
    for number, step in enumerate(steps[: steps.index(end)]):
        if shared.fullmatch(step) and not step.endswith(".sha256"):
            continue
        if answered == "1":
            prepare_for(service, step, number)
        result = deploy(service, kill_at=f"SIGINT {step}")
        assert result.returncode == 130, f"{step}\n{result.stdout}"
        assert "interrupted; the machine is as before" in result.stdout
        assert "Traceback" not in result.stdout
        assert configuration(service) == before, f"{step}\n{result.stdout}"
        eventually(lambda: release_of(service) == answered, seconds=5)
        check_machine(service)
    result = deploy(service, kill_at=f"SIGINT {end}")
    assert result.returncode == 0, result.stdout
    assert release_of(service) != answered
