"""Views that the end-to-end tests add to a project, to load and to trouble it."""

import base64
import hashlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

RELEASE = "1"  # the tests change it for an upgrade

bp = Blueprint("trial", __name__, url_prefix="/trial")
long = Blueprint(
    "long", __name__, static_folder="static", static_url_path="/static/more"
)
leaked: list[bytearray] = []


def init_app(app: Flask) -> None:
    """Do what applications do at their start: make the directory that they write to."""
    os.makedirs(app.instance_path, exist_ok=True)  # noqa: PTH103 - as the tutorial does
    app.register_blueprint(bp)
    app.register_blueprint(long)


def database() -> sqlite3.Connection:
    """Return the database, as in Flask's tutorial."""
    return sqlite3.connect(Path(current_app.instance_path, "trial.sqlite"))


@bp.cli.command("init-db")
def init_db() -> None:
    """Make the table."""
    with database() as db:
        db.execute("CREATE TABLE post (body TEXT)")
    click.echo(f"made {current_app.instance_path}/trial.sqlite")


@bp.post("/posts")
def add_post() -> str:
    """Write to the database; return how many posts there are."""
    with database() as db:
        db.execute("INSERT INTO post VALUES (?)", [request.get_data(as_text=True)])
        return str(db.execute("SELECT count(*) FROM post").fetchone()[0])


@bp.after_request
def name_release(response: Response) -> Response:
    """Say which release and which process has answered."""
    response.headers["X-Release"] = RELEASE
    response.headers["X-Process"] = str(os.getpid())
    return response


def wait() -> None:
    """Take as long as the request wants it."""
    time.sleep(request.args.get("delay", 0.0, float))


@bp.get("/body/<token>")
def get_body(token: str) -> Response:
    """Answer with a body that follows from the request."""
    wait()
    size = request.args.get("size", 0, int)
    digest = hashlib.sha256(token.encode()).hexdigest().encode()
    body = (digest * (size // len(digest) + 1))[:size]
    return Response(body, content_type="application/octet-stream")


@bp.post("/body/<token>")
def post_body(token: str) -> str:
    """Answer with the length and the digest of what was sent."""
    body = request.get_data()
    wait()
    return f"{token} {len(body)} {hashlib.sha256(body).hexdigest()}"


@bp.get("/policy")
def policy() -> Response:
    """Answer with no Content-Security-Policy."""
    return Response("", headers={"Content-Security-Policy": ""})


@bp.route("/echo", methods=["GET", "POST"])
def echo() -> Response:
    """Say how the application sees the request."""
    current_app.logger.info("echo")
    return jsonify(
        address=request.remote_addr,
        scheme=request.scheme,
        host=request.host,
        url=request.url,
        link=url_for("trial.echo", _external=True),
        headers=list(request.headers.items()),
        body=request.get_data(as_text=True),
    )


@bp.get("/redirect")
def redirects() -> AnyResponse:
    """Send the client elsewhere, by an absolute address."""
    return redirect(url_for("trial.echo", _external=True))


@bp.post("/upload")
def upload() -> Response:
    """Take a file from a form."""
    file = request.files["file"]
    digest = hashlib.sha256(file.stream.read()).hexdigest()
    return jsonify(name=file.filename, digest=digest)


@bp.post("/field")
def field() -> str:
    """Answer with the length of a form field."""
    return str(len(request.form["f"]))


@bp.get("/cookies")
def cookies() -> Response:
    """Set three cookies, each as large as browsers keep."""
    response = Response()
    for name in "abc":
        response.set_cookie(name, "x" * 4000)
    return response


@bp.post("/login")
def login() -> str:
    """Begin a session."""
    session["user"] = "me"
    return ""


@bp.get("/user")
def user() -> str:
    """Say who has logged in."""
    return str(session.get("user"))


@bp.get("/connect")
def connect() -> str:
    """Say whether a TCP service of the machine can be reached."""
    try:
        address = ("127.0.0.1", request.args.get("port", 0, int))
        socket.create_connection(address, timeout=5).close()
    except OSError:
        return "no"
    return "yes"


@bp.get("/crash")
def crash() -> str:
    """Fail as only a mistake can."""
    message = "a mistake"
    raise RuntimeError(message)


@bp.get("/leak")
def leak() -> str:
    """Allocate megabytes and keep them."""
    size = request.args.get("megabytes", 50, int)
    leaked.append(bytearray(os.urandom(1) * (size << 20)))
    return str(len(leaked))


@long.get("/static/installed-release.txt")
def release() -> Response:
    """Answer what is nginx's to answer."""
    return Response("of the application", headers={"X-Release": RELEASE})


@long.get("/stream/events")
@long.get("/events")
def events() -> Response:
    """Send events: a number of them, with silence between two."""
    number = request.args.get("number", 2, int)
    silence = request.args.get("silence", 1.0, float)

    def generate() -> Iterator[str]:
        for i in range(number):
            if i:
                time.sleep(silence)
            yield f"data: {i}\n\n"

    return Response(generate(), mimetype="text/event-stream")


class Upgraded(Response):
    """The response of a view that has used up the connection."""

    def __call__(self, *_: object) -> NoReturn:
        """End the request as flask-sock does on gunicorn."""
        raise StopIteration


@long.route("/stream/echo", websocket=True)
def websocket() -> Response:
    """Open a WebSocket, and send back one frame after some silence."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    key = request.headers["Sec-WebSocket-Key"] + guid
    accept = base64.b64encode(
        hashlib.sha1(key.encode(), usedforsecurity=False).digest()
    ).decode()
    connection: socket.socket = request.environ["gunicorn.socket"]
    connection.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    _, length, *mask = connection.recv(6, socket.MSG_WAITALL)
    masked = connection.recv(length & 127, socket.MSG_WAITALL)
    text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
    wait()
    connection.sendall(bytes([0x81, len(text)]) + text)
    return Upgraded()
