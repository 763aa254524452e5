"""Make the requests of `--check`: a fault is found before it is served."""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from traceback import extract_tb
from urllib.parse import quote

import click
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface

from .config.kinds import without_port

HERE = Path(__file__).parent
# Every request passes these, so that they are not the place of a fault.
PASSED = (Path(__file__), HERE / "headers.py", HERE / "csp.py")


# The largest body that nginx takes: 16m
BODY = re.compile(r"^\s*client_max_body_size\s+(\d+)([kmg]?);", re.MULTILINE)
BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def faults(create_app: Callable[[], Flask], site: str | None = None) -> list[str]:
    """Return a line for each fault that the requests show.

    Args:
        create_app: Creates an application, which must not be served afterwards:
            exceptions reach whoever makes a request.
        site: The path of nginx's site, whose limits are compared as well.

    """
    try:
        app = create_app()
    except click.ClickException:
        raise  # with a line of its own
    except Exception as error:  # noqa: BLE001 - whatever the owner's code raises
        return [f"create_app: {describe(error)}"]
    app.config["PROPAGATE_EXCEPTIONS"] = True
    hosts = hosts_of(app)
    found = [*health(app, hosts), *pages(app, hosts[0]), *sessions(app, hosts)]
    if site is not None:
        found += limits(app, Path(site))
    return list(dict.fromkeys(found))  # what several hosts have is one fault


def hosts_of(app: Flask) -> list[str]:
    """Return a Host header for each of TRUSTED_HOSTS, or one if any is trusted."""
    trusted = app.config["TRUSTED_HOSTS"]
    if trusted is None:
        domain = (app.config["SESSION_COOKIE_DOMAIN"] or "").removeprefix(".")
        return [app.config["SERVER_NAME"] or domain or "localhost"]
    # An entry that begins with a dot stands for every name below it.
    hosts = [f"check{host}" if host.startswith(".") else host for host in trusted]
    return [host.encode("idna").decode() for host in hosts]


def health(app: Flask, hosts: list[str]) -> Iterator[str]:
    """Request `/healthz` with each host: a host that is not trusted gets 400."""
    for host in hosts:
        status, answer = ask(app, host, "/healthz")
        if status == HTTPStatus.BAD_REQUEST:
            yield f"GET /healthz with Host: {host} (TRUSTED_HOSTS): {answer}"
        elif status > HTTPStatus.BAD_REQUEST:
            yield f"GET /healthz: {answer}"


def pages(app: Flask, host: str) -> Iterator[str]:
    """Request the home page and a static file, if there are any."""
    paths = ["/"] if app.url_map.bind(host).test("/", "GET") else []
    if folder := app.static_folder:
        files = (file for file in Path(folder).rglob("*") if file.is_file())
        for file in islice(files, 1):
            name = file.relative_to(folder).as_posix()
            paths.append(f"{app.static_url_path}/{quote(name)}")
    for path in paths:
        status, answer = ask(app, host, path)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            yield f"GET {path}: {answer}"


def ask(app: Flask, host: str, path: str) -> tuple[int, str]:
    """Return the status of a response, as a number and in words."""
    try:
        with app.test_client().get(path, base_url=address(app, host)) as response:
            return response.status_code, response.status
    except Exception as error:  # noqa: BLE001 - whatever the owner's code raises
        return 500, describe(error)


def sessions(app: Flask, hosts: list[str]) -> Iterator[str]:
    """Save a session and open it again; a browser must return its cookie to a host.

    Sessions that are stored elsewhere are not tried: a check writes into no store.
    """
    store = app.session_interface
    if not (app.secret_key and isinstance(store, SecureCookieSessionInterface)):
        return
    try:
        if not keeps_session(app, hosts[0]):
            yield "a session is lost: its cookie cannot be opened"
    except Exception as error:  # noqa: BLE001 - settings fail in many ways
        yield f"a session cannot be saved: {describe(error)}"
    domain = (store.get_cookie_domain(app) or "").lower().removeprefix(".")
    names = [f".{without_port(host)}" for host in hosts]
    if domain and not any(name.endswith(f".{domain}") for name in names):
        yield "a session is lost: no trusted host is in SESSION_COOKIE_DOMAIN"


def keeps_session(app: Flask, host: str) -> bool:
    """Return whether the cookie of a session brings it back."""
    url = address(app, host)
    response = app.response_class()
    with app.test_request_context(base_url=url):
        session.permanent = True
        session["check"] = True
        app.session_interface.save_session(app, session, response)
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    with app.test_request_context(base_url=url, headers={"Cookie": cookie}):
        return "check" in session


def limits(app: Flask, site: Path) -> Iterator[str]:
    """Compare the largest body with that of nginx, which refuses a larger one first."""
    try:
        text = site.read_text()
    except OSError as error:
        yield f"--nginx {site}: {error.strerror}"
        return
    wanted = app.config["MAX_CONTENT_LENGTH"]
    for number, unit in BODY.findall(text):
        taken = int(number) * BYTES[unit]
        # 0 and None: without a limit.
        if taken and (wanted is None or wanted > taken):
            layer = app.extensions["config_layers"]["MAX_CONTENT_LENGTH"]
            yield (
                f"MAX_CONTENT_LENGTH ({layer}): {wanted} has no effect, because nginx "
                f"refuses more than {taken} bytes (client_max_body_size in {site}): "
                "run deploy/install, which sets that"
            )


def address(app: Flask, host: str) -> str:
    """Return the address of a host, in the scheme that clients use."""
    return f"{app.config['PREFERRED_URL_SCHEME']}://{host}"


def describe(error: Exception) -> str:
    """Return an exception in one line, with its place in the code of this package."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_own(Path(frame.filename))]
    place = (own or frames)[-1]
    text = f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
    return " ".join(text.split())


def is_own(path: Path) -> bool:
    """Return whether a file has a part in a fault."""
    return path.is_relative_to(HERE) and path not in PASSED
