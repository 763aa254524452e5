"""The load client finds whatever a server does wrong."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from .load import Load, Plan, Report, body_of, main

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def load(handler: Handler, **plan: float) -> Report:
    """Load a server that answers every connection by the handler."""
    server = await asyncio.start_server(handler, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        report = await Load(Plan(port=port, clients=2, gets=4, **plan)).run()  # type: ignore[arg-type]
        await asyncio.sleep(0.1)  # the handlers end, too
    return report


def answer(change: Callable[[bytes], bytes]) -> Handler:
    """Return a handler that answers one GET right, but for the change."""

    async def handler(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        token = path.split("/")[3].split("?")[0]
        body = body_of(token, int(path.split("size=")[1]))
        start = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}"
        writer.write(change(f"{start}\r\n\r\n".encode() + body))
        writer.close()

    return handler


def test_right_answers_are_counted() -> None:
    """None failed, and the time of the longest is known."""
    report = asyncio.run(load(answer(lambda whole: whole)))
    assert (report.gets, report.posts, sum(report.failed.values())) == (4, 0, 0)
    assert 0 < report.longest < 5


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda whole: whole.replace(b"200", b"502"), "GET status 502"),
        (lambda whole: whole[:-1], "GET IncompleteReadError"),
        (lambda whole: whole[:-1] + b"?", "GET "),
        (lambda whole: whole[:30], "GET IncompleteReadError"),
        (lambda _whole: b"", "GET ClosedError"),
        (lambda _whole: b"nonsense\r\n\r\n", "GET "),
    ],
    ids=["status", "cut", "body", "half a head", "nothing", "nonsense"],
)
def test_wrong_answers_are_failures(
    change: Callable[[bytes], bytes], kind: str
) -> None:
    """By their kind, and with the requests that had them."""
    report = asyncio.run(load(answer(change)))
    assert report.gets == 0
    assert sum(report.failed.values()) == 4
    assert all(name.startswith(kind) for name in report.failed)
    assert len(report.first_failures) == 4


def test_a_server_that_is_not_there_is_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the command says so in its report."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    asyncio.run(main(["--port", str(port), "--gets", "3"]))
    assert '"GET ConnectionRefusedError": 3' in capsys.readouterr().out


def test_it_ends_in_time() -> None:
    """Even if the server never answers."""

    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()
        writer.close()

    report = asyncio.run(load(silent, timeout=0.1, seconds=0.3))
    assert report.seconds < 2
    assert set(report.failed) == {"GET TimeoutError"}
