"""Projects with the views of `trial.py`, served as in production."""

import contextlib
import functools
import hashlib
import itertools
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.conftest import Bake
from tests.projects import ANSWERS, PYTHON, SERVERS, Project, clean_environment

from .client import Client
from .machine import CACHE, Machine, locked, missing, template
from .plain import Plain, make_certificate, serve
from .plain import missing as lacking_for_plain
from .service import Service, Site, need

HERE = Path(__file__).parent
HTTPS: list[str] = ANSWERS["https"]
PIP = "[global]\nno-index = true\nfind-links = /wheels\n"

T = TypeVar("T")
Installed = Callable[[str, str], Service]


def once(make: Callable[[str, str], T]) -> Callable[[str, str], T]:
    """Return a function that makes a thing once, even if that fails."""
    made: dict[tuple[str, str], T | Exception] = {}

    def get(server: str, https: str) -> T:
        if (server, https) not in made:
            try:
                made[server, https] = make(server, https)
            except Exception as error:  # noqa: BLE001 - whatever it is
                made[server, https] = error
        result = made[server, https]
        if isinstance(result, Exception):
            raise result
        return result

    return get


def with_trial(project: Project, directory: Path) -> Project:
    """Return a copy of a project that has the views of `trial.py`."""
    copy = Project(directory / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    shutil.copy(HERE / "trial.py", copy.path / copy.package)
    factory = copy.path / copy.package / "__init__.py"
    lines = "    from . import trial\n\n    trial.init_app(app)\n"
    code, number = re.subn(r"(?=    return app\n)", lines, factory.read_text())
    assert number == 1
    factory.write_text(code)
    return copy


def wheels(projects: list[Project]) -> Path:
    """Return a directory with all that projects need to be installed, offline."""
    with locked():
        return wheels_of(projects)


def wheels_of(projects: list[Project]) -> Path:
    """Return that directory; make it if there is none."""
    (python,) = template().glob("usr/bin/python3.??")
    names = ("requirements.txt", "requirements-build.txt")
    locks = [project.path / name for project in projects for name in names]
    content = python.name + "".join(lock.read_text() for lock in locks)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    path = CACHE / f"wheels-{digest}"
    if not path.is_dir():
        partial = path.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        glibc = [f"manylinux_2_{minor}" for minor in (17, 24, 28, 34)]
        for lock in locks:
            command = [
                *(str(PYTHON), "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--only-binary=:all:", "--implementation=cp", f"--dest={partial}"),
                f"--python-version={python.name.removeprefix('python')}",
                *(f"--platform={name}_{platform.machine()}" for name in glibc),
                f"--requirement={lock}",
            ]
            subprocess.run(command, check=True, env=clean_environment())
        partial.rename(path)
    return path


@pytest.fixture(scope="session")
def installed(
    bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """Return a function that returns the service of a server, on its machine.

    A machine serves until the end of the tests. It can have the service twice, side
    by side: over http, and under another name over https.
    """
    directory = tmp_path_factory.mktemp("e2e")
    with contextlib.ExitStack() as machines:

        @functools.cache
        def machine(server: str) -> Machine:
            projects = [bake(**answers_of(name, "no")) for name in SERVERS]
            machine = Machine(directory / server, {"/wheels": wheels(projects)})
            machines.enter_context(machine)
            machine.write("/etc/pip.conf", PIP)
            return machine

        @once
        def installed(server: str, https: str) -> Service:
            project = with_trial(bake(**answers_of(server, https)), directory)
            service = Service(project, machine(server))
            if service.tls:
                letsencrypt = service.machine.root / "etc" / "letsencrypt" / "live"
                (letsencrypt / service.host).mkdir(parents=True)
                make_certificate(letsencrypt / service.host, service.host)
            service.release("1")
            service.install()
            return service

        yield installed


def answers_of(server: str, https: str) -> dict[str, str]:
    """Return the answers from which a service is made."""
    kind = {"no": "plain", "yes": "safe", "proxy": "proxied"}[https]
    name = f"{kind}-{server}"
    return {
        "project_slug": name,
        "wsgi_server": server,
        "https": https,
        "server_name": f"{name}.example www.{name}.example",
    }


@pytest.fixture(scope="session")
def plain(
    bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Plain]]:
    """Return a function that returns the service of a server, by processes of ours."""
    with contextlib.ExitStack() as services:

        @once
        def plain(server: str, https: str) -> Plain:
            directory = tmp_path_factory.mktemp("plain")
            project = with_trial(bake(**answers_of(server, https)), directory)
            return services.enter_context(serve(project))

        yield plain


KINDS = list(itertools.product(("plain", "machine"), SERVERS))


def get_site(request: pytest.FixtureRequest) -> Site:
    """Return the site of a kind, a server and a scheme."""
    kind, server, scheme = request.param
    need(lacking_for_plain() if kind == "plain" else missing())
    make = request.getfixturevalue("plain" if kind == "plain" else "installed")
    return cast("Site", make(server, "yes" if scheme == "https" else "no"))


@pytest.fixture(
    params=[(*kind, scheme) for kind in KINDS for scheme in ("http", "https")],
    ids="-".join,
)
def site(request: pytest.FixtureRequest) -> Site:
    """Return each site: by processes of ours and on a machine."""
    return get_site(request)


@pytest.fixture(params=[(*kind, "https") for kind in KINDS], ids="-".join)
def secure(request: pytest.FixtureRequest) -> Site:
    """Return each site that is served over https."""
    return get_site(request)


@pytest.fixture
def client(site: Site) -> Client:
    """Return a client for the site."""
    return site.client


@pytest.fixture(params=SERVERS)
def service(request: pytest.FixtureRequest, installed: Installed) -> Service:
    """Return the service of each server, on its machine."""
    need(missing())
    return installed(request.param, "no")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[object], None]:
    """Return a function that notes a figure, which the summary will show."""
    return lambda value: record_property("figure", str(value))


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """Has each process take one server, or one file, with all its tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name in SERVERS if name in nodeid), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServer:
    """Return it, for `--numprocesses`."""
    return ByServer(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that were noted."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "figure" and report.when == "call":
                    test = report.nodeid.rpartition("::")[2]
                    terminalreporter.write_line(f"{test}: {value}")
