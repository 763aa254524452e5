"""Fixtures with rendered projects; each set of answers is baked once."""

import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import projects
from tests.projects import LAYOUTS, SERVERS, Project

# `applications` is what owners write. What the other two need is Linux's: systemd, and
# terminals.
collect_ignore = ["applications"]
if sys.platform != "linux":
    collect_ignore += ["e2e", "test_interrupts.py"]

Bake = Callable[..., Project]


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """Return a function that returns the project of a set of answers."""
    baked: dict[str, Project] = {}

    def bake(**answers: str) -> Project:
        key = json.dumps(answers, sort_keys=True)
        if key not in baked:
            baked[key] = projects.bake(tmp_path_factory.mktemp("bake"), answers)
        return baked[key]

    return bake


@pytest.fixture(
    scope="session",
    params=itertools.product(SERVERS, LAYOUTS),
    ids="-".join,
)
def project(request: pytest.FixtureRequest, bake: Bake) -> Project:
    """Return the project of each product of server and layout."""
    server, layout = request.param
    return bake(wsgi_server=server, config_layout=layout)


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Project:
    """Return a copy of the project, to run what writes files."""
    return project.copy_to(tmp_path)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI when a test was skipped: on Linux, everything is to be had there."""
    if sys.platform != "linux":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
