"""A client that asks for what it likes, and sees exactly what comes back."""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

Network = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def __getitem__(self, name: str) -> str:
        """Return a header; nothing if there is none."""
        return self.headers.get(name, "")


def any_certificate() -> ssl.SSLContext:
    """Return a context that trusts the tests' certificates, which sign themselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Client:
    """Speaks to one port of one site."""

    host: str
    port: int
    tls: bool = False
    network: Network = nullcontext
    context: ssl.SSLContext = field(default_factory=any_certificate)

    def connect(self, timeout: float = 40) -> socket.socket:
        """Open a connection."""
        with self.network():
            connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        if not self.tls:
            return connection
        return self.context.wrap_socket(connection, server_hostname=self.host)

    @contextlib.contextmanager
    def session(self) -> Generator[http.client.HTTPConnection]:
        """Open a connection for several requests."""
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.sock = self.connect()
        connection.auto_open = 0  # never another connection behind our back
        try:
            yield connection
        finally:
            connection.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        **headers: str,
    ) -> Reply:
        """Send a request on a connection of its own and return the answer."""
        with self.session() as connection:
            return ask(connection, method, path, self.named(headers), body)

    def get(self, path: str, **headers: str) -> Reply:
        """Send a GET; `Accept_Encoding` is Accept-Encoding."""
        return self.request("GET", path, None, **headers)

    def named(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers under their real names, with the site's Host."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Host": self.host} | names

    def post_chunked(self, path: str, body: bytes) -> bytes:
        """Send a body without its length, in one chunk; return the whole answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b""
        return self.raw(head.encode() + chunk + b"0\r\n\r\n", timeout=10)

    def raw(self, request: bytes, timeout: float = 3) -> bytes:
        """Send bytes and return what comes back until the end, or until silence."""
        received = b""
        with self.connect(timeout) as connection:
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(request)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while data := connection.recv(65536):
                    received += data
        return received


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Reply:
    """Send a request on a connection and return the answer."""
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    return Reply(response.status, response.headers, response.read())


@contextlib.contextmanager
def listen(client: Client, path: str) -> Generator[http.client.HTTPResponse]:
    """Return a response of which only the headers are read."""
    connection = http.client.HTTPConnection(client.host, client.port)
    with contextlib.closing(connection):
        connection.sock = client.connect(60)
        connection.request("GET", path, headers={"Host": client.host})
        yield connection.getresponse()
