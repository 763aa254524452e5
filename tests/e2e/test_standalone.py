"""What a client gets from the command itself, without nginx in front."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Generator, Iterator

import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, SERVERS, Project, clean_environment

from .client import Client
from .conftest import answers_of, with_trial

pytestmark = pytest.mark.e2e

FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=https",
    "Script-Name": "/evil",
    "Remote-User": "admin",
}


@contextlib.contextmanager
def serving(project: Project) -> Generator[Client]:
    """Run the command of a project on a free port until the end of the block."""
    process = subprocess.Popen(
        [PYTHON, "-m", project.package, "--env", "testing", "--port", "0"],
        cwd=project.path,
        env=clean_environment(),
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        yield Client("localhost", int(found[1]))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the workers, too
        process.communicate(timeout=10)


@pytest.fixture(scope="module", params=SERVERS)
def client(
    request: pytest.FixtureRequest,
    bake: Bake,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    """Return a client of the command, for each server."""
    directory = tmp_path_factory.mktemp("standalone")
    with serving(with_trial(bake(**answers_of(request.param, "no")), directory)) as it:
        yield it


@pytest.mark.parametrize("size", [0, 1, 100_000, 17 << 20])
def test_a_chunked_body_arrives_whole_or_is_refused(client: Client, size: int) -> None:
    """A server that cannot receive it answers 411, the limit of the body is 413."""
    body = b"x" * size
    answer = client.post_chunked("/trial/body/a", body)
    status = int(answer.split()[1])
    if status == 200:
        whole = f"a {size} {hashlib.sha256(body).hexdigest()}".encode()
        assert whole in answer
        assert size < 16 << 20
    else:
        assert status in {411, 413}


def test_forged_headers_change_nothing(client: Client) -> None:
    """No proxy is trusted, so that address, scheme, host and path are the client's."""
    plain = client.get("/trial/echo")
    names = {name.replace("-", "_"): value for name, value in FORGED.items()}
    forged = client.get("/trial/echo", **names)
    assert plain.status == forged.status == 200
    for name in ("address", "scheme", "host", "url", "link"):
        assert json.loads(forged.body)[name] == json.loads(plain.body)[name]


@pytest.mark.parametrize("number", [900, 2000])
def test_no_header_is_dropped(client: Client, number: int) -> None:
    """All arrive, or the request is refused."""
    names = {f"X_H{i}": "v" for i in range(number)}
    reply = client.get("/trial/echo", **names)
    assert reply.status in ({200} if number < 1000 else {200, 431})
    if reply.status == 200:
        received = {name for name, _ in json.loads(reply.body)["headers"]}
        assert received >= {name.replace("_", "-") for name in names}
