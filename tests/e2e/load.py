"""Load a server with GET and POST, and check every answer whole.

The paths are those of `trial.py`, which the tests add to a project. An answer counts
only if its status, its length and its body are right; the right body follows from
the request. A command of its own, so that it can run in another network namespace:

    python load.py --port 80 --host example.com --gets 2000 --posts 200

It prints a report in JSON. With `--hold`, it goes on until SIGTERM; the numbers are
then the least that it does, and it never takes longer than `--seconds`.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import secrets
import signal
import ssl
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

# What a connection, or an answer that is none, can end in.
FAULTS = (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError)


@dataclass(frozen=True)
class Plan:
    """What to send, how much of it, and where to."""

    port: int
    address: str = "127.0.0.1"
    host: str = "localhost"  # as the Host header says it
    tls: bool = False
    clients: int = 24
    gets: int = 100
    posts: int = 0
    mean_view: float = 0.05  # seconds; most views are short, a few take the longest
    longest_view: float = 2.0
    slow: int = 0  # further clients that send one byte of a header a second
    pause: float = 0.0  # seconds that a client waits after a failure
    timeout: float = 60.0  # of one request
    seconds: float = 300.0  # of it all
    hold: bool = False


@dataclass
class Report:
    """What came back."""

    gets: int = 0  # answered whole
    posts: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    first_failures: list[str] = field(default_factory=list)
    retried: int = 0  # GET on a kept connection that the server had just closed
    longest: float = 0.0
    median: float = 0.0
    seconds: float = 0.0
    releases: dict[str, int] = field(default_factory=dict)
    last_release: str = ""
    slow_lost: int = 0  # slow clients whom the server has closed the connection


class WrongAnswerError(Exception):
    """An answer that is not the right one, or not all of it."""


class ClosedError(EOFError):
    """A connection that was closed before a single byte of the answer."""


@dataclass(frozen=True)
class Request:
    """One request, and the body of its right answer."""

    method: str
    head: bytes
    body: bytes
    answer: bytes


@dataclass(frozen=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes


def body_of(token: str, size: int) -> bytes:
    """Return the body that `trial.py` answers a GET with."""
    digest = hashlib.sha256(token.encode()).hexdigest().encode()
    return (digest * (size // len(digest) + 1))[:size]


def make_request(plan: Plan, method: str, *, keep: bool) -> Request:
    """Return a request like no other."""
    skew = plan.longest_view / plan.mean_view - 1 if plan.mean_view else 0
    delay = plan.longest_view * random.random() ** skew if plan.mean_view else 0  # noqa: S311
    token = secrets.token_hex(8)
    path = f"/trial/body/{token}?delay={delay:.3f}"
    if method == "GET":
        size = random.choice([0, 100, 5_000, 100_000])  # noqa: S311
        path, body, answer = f"{path}&size={size}", b"", body_of(token, size)
    else:
        body = random.randbytes(random.choice([0, 100, 5_000, 100_000]))  # noqa: S311
        answer = f"{token} {len(body)} {hashlib.sha256(body).hexdigest()}".encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {plan.host}"]
    lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
    lines += [] if keep else ["Connection: close"]
    return Request(method, "\r\n".join([*lines, "", ""]).encode(), body, answer)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    status = int(status_line.split(" ")[1])
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(status, headers, body)


class Load:
    """A number of clients that work through a plan."""

    def __init__(self, plan: Plan) -> None:
        """Begin with everything still to do."""
        self.plan = plan
        self.report = Report()
        self.todo = {"GET": plan.gets, "POST": plan.posts}
        self.holding = plan.hold
        self.started = time.monotonic()
        self.times: list[float] = []
        self.tls: ssl.SSLContext | None = None
        if plan.tls:  # the tests' certificates sign themselves
            self.tls = ssl.create_default_context()
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE

    async def run(self) -> Report:
        """Do it all and report."""
        slow = [asyncio.create_task(self.slow()) for _ in range(self.plan.slow)]
        clients = [self.client(keep=i % 2 == 0) for i in range(self.plan.clients)]
        if slow:  # they come first
            await asyncio.sleep(3)
        await asyncio.gather(*clients)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        report = self.report
        report.seconds = time.monotonic() - self.started
        report.longest = max(self.times, default=0)
        report.median = sorted(self.times)[len(self.times) // 2] if self.times else 0
        return report

    def next_method(self) -> str | None:
        """Say what to send next, in the proportion of the plan, until all is done."""
        if time.monotonic() - self.started > self.plan.seconds:
            return None
        left = [n for n in self.todo if self.todo[n] > 0]
        if not left and not self.holding:
            return None
        counts = [self.plan.gets, self.plan.posts]
        (method,) = random.choices(["GET", "POST"], counts)  # noqa: S311
        if not self.holding and method not in left:
            (method,) = left[:1]
        self.todo[method] -= 1
        return method

    async def client(self, *, keep: bool) -> None:
        """Send one request after the other."""
        streams: Streams | None = None
        while method := self.next_method():
            request = make_request(self.plan, method, keep=keep)
            started = time.monotonic()
            try:
                async with asyncio.timeout(self.plan.timeout):
                    streams = await self.answered(request, streams)
            except FAULTS as error:
                self.failure(request, type(error).__name__)
                streams = None
            except WrongAnswerError as error:
                self.failure(request, str(error))
                streams = None
            else:
                self.times.append(time.monotonic() - started)
                if method == "GET":
                    self.report.gets += 1
                else:
                    self.report.posts += 1
                continue
            if self.plan.pause:
                await asyncio.sleep(self.plan.pause)
        if streams:
            streams[1].close()

    def failure(self, request: Request, kind: str) -> None:
        """Count a request that was not answered as it should have been."""
        kind = f"{request.method} {kind}"
        self.report.failed[kind] = self.report.failed.get(kind, 0) + 1
        if len(self.report.first_failures) < 10:
            at = time.monotonic() - self.started
            line = request.head.split(b"\r\n")[0].decode()
            self.report.first_failures.append(f"{at:.3f} {kind}: {line}")

    async def answered(self, request: Request, kept: Streams | None) -> Streams | None:
        """Have a request answered; return the connection if it can be kept."""
        if kept:
            try:
                return await self.exchange(request, kept)
            except ClosedError:
                # As browsers do: the request was not processed. A POST is
                # another matter, so that is a failure here.
                if request.method != "GET":
                    raise
                self.report.retried += 1
        return await self.exchange(request, await self.connect())

    async def connect(self) -> Streams:
        """Open a connection."""
        plan = self.plan
        name = plan.host if plan.tls else None
        return await asyncio.open_connection(
            plan.address, plan.port, ssl=self.tls, server_hostname=name
        )

    async def exchange(self, request: Request, streams: Streams) -> Streams | None:
        """Send a request, read its answer and compare it with the right one."""
        reader, writer = streams
        try:
            try:
                writer.write(request.head + request.body)
                await writer.drain()
                answer = await read_answer(reader)
            except asyncio.IncompleteReadError as error:
                if not error.partial:
                    raise ClosedError from None
                raise
            except ConnectionError:
                raise ClosedError from None
            self.check(request, answer)
        except ClosedError:
            writer.close()
            raise
        except BaseException:
            writer.transport.abort()
            raise
        if "connection: close" in request.head.decode().lower() or (
            answer.headers.get("connection") == "close"
        ):
            writer.close()
            return None
        return streams

    def check(self, request: Request, answer: Answer) -> None:
        """Raise an exception if it is not the right answer."""
        if answer.status != 200:
            message = f"status {answer.status}"
            raise WrongAnswerError(message)
        if answer.body != request.answer:
            message = "wrong body"
            raise WrongAnswerError(message)
        release = answer.headers.get("x-release", "")
        releases = self.report.releases
        releases[release] = releases.get(release, 0) + 1
        self.report.last_release = release

    async def slow(self) -> None:
        """Send one byte of a request's header a second, for as long as it lasts."""
        with contextlib.suppress(OSError):
            async with self.connection() as (reader, writer):
                writer.write(
                    f"GET / HTTP/1.1\r\nHost: {self.plan.host}\r\nX: ".encode()
                )
                while not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)
        self.report.slow_lost += 1

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Streams]:
        """Open a connection and close it in the end."""
        reader, writer = await self.connect()
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def release_hold(self) -> None:
        """Stop as soon as the plan's numbers are reached."""
        self.holding = False


def parse(arguments: list[str]) -> Plan:
    """Return the plan that the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in asdict(Plan(port=0)).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=type(default), default=default)
    return Plan(**vars(parser.parse_args(arguments)))


async def main(arguments: list[str]) -> None:
    """Work through the plan and print the report."""
    load = Load(parse(arguments))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.release_hold)
    report = await load.run()
    json.dump(asdict(report), sys.stdout, indent=2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
