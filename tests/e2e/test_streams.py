"""Long requests: they flow, survive silence, and leave room for the others."""

import contextlib
import json
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, SERVERS, Project

from .client import Client, Reply, listen
from .conftest import answers_of, with_trial
from .plain import Plain, missing, serve
from .service import eventually, need

pytestmark = pytest.mark.e2e

# Of one process, and the processes of each server.
EACH = 4
PROCESSES = {"waitress": 1, "uwsgi": 2, "gunicorn": 2}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Accept": "application/json",
    "Upgrade": "websocket",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Version": "13",
}


@pytest.fixture(params=["no", "yes", "proxy"])
def https(request: pytest.FixtureRequest) -> str:
    """Return each way of https."""
    return str(request.param)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Return each server."""
    return str(request.param)


@pytest.fixture
def client(server: str, https: str, plain: Callable[[str, str], Plain]) -> Client:
    """Return a client for each server and each way of https."""
    need(missing())
    return plain(server, https).client


@pytest.mark.parametrize("path", ["/stream/events", "/events"])
def test_events_flow_at_once(client: Client, path: str) -> None:
    """Each when it is sent, on a long path and on any other."""
    start = time.monotonic()
    with listen(client, f"{path}?silence=3") as response:
        assert response.read(9) == b"data: 0\n\n"
        assert time.monotonic() - start < 1.5
        assert response.read() == b"data: 1\n\n"
        assert time.monotonic() - start > 2.5
        assert response.headers["X-Accel-Buffering"] is None


@pytest.mark.parametrize("https", ["no"], indirect=True)
@pytest.mark.parametrize(
    ("path", "whole"), [("/stream/events", True), ("/events", False)]
)
def test_long_paths_survive_silence(client: Client, path: str, *, whole: bool) -> None:
    """Elsewhere nginx closes the connection after 30 seconds."""
    with listen(client, f"{path}?silence=33") as response:
        received = b""
        with contextlib.suppress(IncompleteRead, OSError):
            while data := response.read1():
                received += data
    assert (b"data: 1" in received) == whole


def test_the_surplus_is_refused_and_the_service_stays_free(
    server: str, client: Client
) -> None:
    """More listeners than threads."""
    with contextlib.ExitStack() as stack:
        begin = time.monotonic()
        path = "/stream/events?number=8&silence=1"
        answers = [stack.enter_context(listen(client, path)) for _ in range(24)]
        assert time.monotonic() - begin < 5
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {200, 503}
        assert EACH <= statuses.count(200) <= EACH * PROCESSES[server]
        refused = next(answer for answer in answers if answer.status == 503)
        assert refused.headers["Retry-After"] == "5"
        for _ in range(10):
            begin = time.monotonic()
            assert client.get("/healthz").status == 200
            assert time.monotonic() - begin < 1
    eventually(lambda: client.get("/stream/events?number=1").status == 200)


# The words of the guide for how long a stop waits for a silent stream: seconds.
ENDED = {"other requests": (0, 5), "35 s": (30, 40)}


def table_of(project: Project) -> dict[str, dict[str, str]]:
    """Return what the guide says of each server."""
    guide = (project.path / "docs" / "long-requests.md").read_text()
    section = guide.partition("## What each server can do")[2].partition("## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    _, *names = rows[0]
    assert [name.lower() for name in names] == [*SERVERS]
    return {
        name.lower(): {row[0]: row[i + 1] for row in rows[2:]}
        for i, name in enumerate(names)
    }


def end_of(response: HTTPResponse) -> float:
    """Return when a response has ended, in whatever way."""
    with contextlib.suppress(OSError, HTTPException):
        response.read()
    return time.monotonic()


@pytest.mark.parametrize("https", ["no"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_streams_do_not_delay_a_reload_or_a_stop_without_limit(
    server: str, https: str, number: signal.Signals, bake: Bake, tmp_path: Path
) -> None:
    """They are closed. In-flight requests are finished, and new ones wait."""
    need(missing())
    project = with_trial(bake(**answers_of(server, https)), tmp_path)
    words = table_of(project)[server]["A restart or reload closes streams after"]
    least, most = ENDED[words]
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(serve(project))
        pool = stack.enter_context(ThreadPoolExecutor(16))
        path = "/stream/events?silence=100"
        streams = [stack.enter_context(listen(plain.client, path)) for _ in range(4)]
        assert [stream.read(9) for stream in streams] == [b"data: 0\n\n"] * 4
        ends = [pool.submit(end_of, stream) for stream in streams]
        slow = "/trial/body/x?size=9&delay=2"
        flying = [pool.submit(plain.client.get, slow) for _ in range(4)]
        time.sleep(0.5)
        begin = time.monotonic()
        plain.application.send_signal(number)
        time.sleep(0.5)
        later: list[Future[Reply]] = []
        if number == signal.SIGHUP:
            later = [pool.submit(plain.client.get, "/trial/body/y") for _ in range(4)]
        else:
            plain.application.wait(most)
        assert [reply.result().status for reply in flying] == [200] * 4
        last = max(end.result() for end in ends) - begin
        assert least < last < most
        if not least:  # nothing has kept them waiting
            assert [reply.result().status for reply in later] == [200] * len(later)
        if number == signal.SIGHUP:
            eventually(lambda: plain.client.get("/healthz").status == 200)
            eventually(lambda: plain.client.get("/stream/events").status == 200)


@pytest.mark.parametrize("https", ["no"], indirect=True)
def test_the_table_of_the_guide_is_true(
    server: str, https: str, plain: Callable[[str, str], Plain]
) -> None:
    """But for the row that the test before this one sees."""
    need(missing())
    served = plain(server, https)
    client = served.client
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        answers = [
            stack.enter_context(listen(client, "/stream/events?silence=4"))
            for _ in range(24)
        ]
        first = next(answer for answer in answers if answer.status == 200)
        assert first.read(9) == b"data: 0\n\n"
        at_once = time.monotonic() - start < 3
        statuses = [answer.status for answer in answers]
    eventually(lambda: client.get("/stream/events?number=1").status == 200)
    status = handshake(client, "/stream/echo")
    with ThreadPoolExecutor(16) as pool:
        path = "/trial/body/x?delay=0.2"
        replies = [*pool.map(lambda _: client.get(path), range(64))]
    said = table_of(served.project)[server]
    most = int(said.pop("Long requests at a time, at most"))
    assert EACH <= statuses.count(200) <= most == EACH * PROCESSES[server]
    assert (
        said
        | {
            "Server-sent events arrive at once": "yes" if at_once else "no",
            "Further long requests": str(max(statuses)),
            "WebSocket": "yes" if status == 101 else str(status),
            "Processes that share the requests of a client": str(
                len({reply["X-Process"] for reply in replies})
            ),
        }
        == said
    )


def handshake(client: Client, path: str) -> int:
    """Return the status of the response to the handshake of a WebSocket."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in HANDSHAKE.items()]
    head = f"GET {path} HTTP/1.1\r\nHost: {client.host}\r\n"
    with client.connect(10) as connection:
        connection.sendall((head + "\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split()[1])


def test_websockets(server: str, client: Client) -> None:
    """They work with gunicorn; the others say that they do not have them."""
    if server != "gunicorn":
        for path in ("/stream/echo", "/healthz"):
            reply = client.get(path, **HANDSHAKE)
            assert reply.status == 501
            assert reply["Content-Type"] == "application/problem+json"
        return
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in HANDSHAKE.items()]
    head = f"GET /stream/echo?delay=1 HTTP/1.1\r\nHost: {client.host}\r\n"
    with client.connect(10) as connection:
        connection.sendall((head + "\r\n".join(lines) + "\r\n\r\n").encode())
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            data = connection.recv(4096)
            assert data, received
            received += data
        assert received.startswith(b"HTTP/1.1 101 "), received
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in received  # RFC 6455, 1.3
        connection.sendall(b"\x81\x85" + bytes(4) + b"Hello")
        connection.settimeout(10)
        frame = b""
        while len(frame) < 7:
            data = connection.recv(7)
            assert data, frame
            frame += data
        assert frame == b"\x81\x05Hello"


@pytest.mark.parametrize("https", ["no"])
def test_below_a_sub_path_everything_has_its_prefix(
    server: str, https: str, bake: Bake, tmp_path: Path
) -> None:
    """The steps of docs/long-requests.md; the project's tests agree."""
    need(missing())
    project = with_trial(bake(**answers_of(server, https)), tmp_path)
    with (project.path / project.package / "config" / "production.cfg").open(
        "a"
    ) as cfg:
        cfg.write('\nAPPLICATION_ROOT = "/app"\n')
    site = project.path / "deploy" / "nginx.conf"
    text = site.read_text()
    guide = (project.path / "docs" / "long-requests.md").read_text()
    for line in re.findall(r"^location .+{$", guide, re.MULTILINE):
        old = line.replace("/app/", "/")
        assert text.count(old) == 1
        text = text.replace(old, line)
    site.write_text(text)
    project.run(PYTHON, "-m", "pytest", "-q", "tests/test_deploy.py")
    with serve(project) as plain:
        client = plain.client
        url = f"http://{client.host}/app/trial/echo"
        seen = json.loads(client.get("/app/trial/echo").text)
        assert (seen["url"], seen["link"]) == (url, url)
        assert client.get("/app/trial/redirect")["Location"] == url
        login = client.request("POST", "/app/trial/login")
        assert "; Path=/app" in login["Set-Cookie"]
        cookie = login["Set-Cookie"].partition(";")[0]
        assert client.get("/app/trial/user", Cookie=cookie).text == "me"
        home = client.get("/app/", Accept="text/html")
        assert home.status == 200
        links = re.findall(r'(?:href|src)="(/[^"]*)"', home.text)
        assert links
        assert [link for link in links if not link.startswith("/app/")] == []
        for link in links:
            assert client.get(link).status == 200
        style = client.get("/app/static/style.css")
        assert style["Cache-Control"] == "max-age=3600"
        line = json.loads(plain.nginx_log().splitlines()[-1])
        assert (line["uri"], line["upstream_status"]) == ("/app/static/style.css", "")
        with listen(client, "/app/stream/events") as response:
            assert response.read(9) == b"data: 0\n\n"
        for path in ("/healthz", "/app/healthz"):
            assert client.get(path).status == 200
        assert client.get("/appping").status == 404


def test_other_upgrades_are_not_passed_on(client: Client) -> None:
    """HTTP/2 in the clear would go past nginx."""
    reply = client.get("/trial/echo", Connection="Upgrade", Upgrade="h2c")
    assert reply.status == 200


def test_the_application_does_not_answer_what_tells_releases_apart(
    client: Client,
) -> None:
    """`deploy/install` wants to know whether nginx has the site of this release."""
    reply = client.get("/static/installed-release.txt")
    assert (reply.status, reply["X-Release"]) == (404, "")


def test_static_files_of_a_blueprint_are_served(client: Client) -> None:
    """Cached as those of the package; what is missing is the service's own 404."""
    ours, more = (client.get(f"/static/{path}style.css") for path in ("", "more/"))
    assert more.status == ours.status == 200
    assert more.body == ours.body
    assert more["Cache-Control"] == ours["Cache-Control"] == "max-age=3600"
    assert more["Content-Type"].startswith("text/css")
    assert ours["Content-Type"].startswith("text/css")
    none, more = (client.get(f"/{path}none") for path in ("static/", "static/more/"))
    other = client.get("/none")
    assert none.status == more.status == other.status == 404
    assert not none["Cache-Control"]
    same = [re.sub("[0-9a-f]{32}", "", page.text) for page in (none, more, other)]
    assert len(set(same)) == 1
