"""A limit or a path that is changed in one place only is noticed."""

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, SERVERS, Project

pytestmark = pytest.mark.slow

# A number that is not part of a name, a status code or an address; and a socket.
NUMBER = r"(?<![\w.$:\[{,\\/=-])[0-9][0-9_]*(?=(?:[kmsdG]|r/s)?(?:[\s;,\]\"]|$))"
SETTING = r"(?<==)[0-9]+(?=[sG]?;?(?:\s|$))"
SOCKET = r"/run/[\w%-]+/[\w%-]+\.sock"
VALUE = re.compile(f"{NUMBER}|{SETTING}|{SOCKET}")

# What may differ freely, and why.
FREE = {
    r"error_page|return \d+|location": "status codes are no limits",
    r"client_max_body_size": "deploy/install writes MAX_CONTENT_LENGTH there",
    r"zone ": "the size of a table for one upstream",
    r"ssl_session_": "how long browsers spare themselves a handshake",
    r"gzip_min_length": "compression changes no content",
    r"Strict-Transport-Security": "two years, as browsers want it for their lists",
    r"(proxy|uwsgi)_buffers": "nginx itself checks it against the buffer of headers",
    r"(proxy|uwsgi)_connect_timeout": "a local socket takes a connection at once",
    r"hook-": "the numbers of signals",
    r"connection_limit": "derived from THREADS; the end-to-end tests depend on it",
    r"THREADS": "any number of its range will do: the rest is derived from it",
    r"server\.(adj|next)|self\.": "how it stops; the end-to-end tests depend on it",
    r"RestartSec": "any short time will do",
    r"MemoryMax": "a matter of the machine",
    r"TimeoutStartSec": "a matter of what create_app does",
}


def places(project: Project, names: list[str]) -> list[tuple[Path, int, re.Match[str]]]:
    """Return the file, the line's number and the match of each value."""
    found = []
    for path in (project.path / name for name in names):
        for number, line in enumerate(path.read_text().splitlines(keepends=True)):
            if line.lstrip().startswith(("#", ";")):
                continue
            if any(re.match(rf"\s*(add_header )?({free})", line) for free in FREE):
                continue
            found += [(path, number, match) for match in VALUE.finditer(line)]
    return found


def others(value: str) -> list[str]:
    """Return a larger and a smaller value, or another path."""
    if value.startswith("/"):
        return [value.replace("/run/", "/tmp/")]  # noqa: S108 - no file
    number = int(value)
    return [str(number * 7 + 1), str(number // 7)]


def is_noticed(project: Project) -> bool:
    """Return whether the project's own tests fail."""
    tests = ("tests/test_deploy.py", "tests/test_config.py", "tests/test_log.py")
    command = (PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests)
    try:
        project.run(*command, PYTHONPATH=str(project.path))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("server", SERVERS)
def test_a_value_that_is_changed_in_one_place_is_noticed(
    server: str, bake: Bake, tmp_path: Path
) -> None:
    """By the project's own tests, each number and socket in turn."""
    baked = bake(wsgi_server=server, https="yes", config_layout="toml")
    project = Project(tmp_path / baked.slug, baked.answers)
    shutil.copytree(baked.path, project.path)
    own = [f"{project.package}/{name}" for name in ("gunicorn.conf.py", "uwsgi.ini")]
    names = [name for name in own if (project.path / name).exists()]
    names = names or [f"{project.package}/server.py"]
    if server == SERVERS[0]:  # the other files are the same for all, but for the pass
        files = ["nginx.conf", "nginx-default.conf"]
        files += [f"{project.slug}.service", f"{project.slug}.socket"]
        names += [f"deploy/{name}" for name in files]
        names.append(f"{project.package}/config/settings.toml")
    found = places(project, names)
    assert len(found) >= 3
    missed = []
    for path, number, match in found:
        text = path.read_text()
        noticed = False
        for value in others(match[0]):
            lines = text.splitlines(keepends=True)
            line = lines[number]
            lines[number] = line[: match.start()] + value + line[match.end() :]
            path.write_text("".join(lines))
            noticed = noticed or is_noticed(project)
        path.write_text(text)
        if not noticed:
            missed.append(f"{path.name}: {match.string.strip()} ({match[0]})")
    assert not missed, "\n".join(missed)
