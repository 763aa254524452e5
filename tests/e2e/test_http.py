"""What comes back through nginx, as a browser, a program or an attacker sees it."""

import hashlib
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.projects import SERVERS

from .client import Client, ask
from .plain import Plain
from .service import Site, eventually

pytestmark = pytest.mark.e2e

SPOOFED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "evil",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=gopher",
}
SECURITY = (
    "Content-Security-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
)


def upload(client: Client, size: int) -> tuple[int, bytes, str]:
    """Send a file of a size by a form; return status, answer and its digest."""
    content = b"x" * size
    body = (
        b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.bin"'
        b"\r\n\r\n" + content + b"\r\n--limit--\r\n"
    )
    kind = "multipart/form-data; boundary=limit"
    reply = client.request("POST", "/trial/upload", body, Content_Type=kind)
    return reply.status, reply.body, hashlib.sha256(content).hexdigest()


def test_the_home_page_is_there(client: Client) -> None:
    """With the headers that every page has."""
    reply = client.get("/")
    assert reply.status == 200
    assert reply["Content-Type"] == "text/html; charset=utf-8"
    assert reply.body.lower().startswith(b"<!doctype html>")
    assert all(reply[name] for name in SECURITY)


def test_the_server_does_not_say_its_version(client: Client) -> None:
    """Neither nginx nor what is behind it."""
    for path in ("/", "/none", "/static/style.css", "/static/none"):
        assert client.get(path)["Server"] in {"nginx", ""}


def test_static_files_come_with_caching_and_compression(client: Client) -> None:
    """From nginx, which does not ask the application."""
    plain = client.get("/static/style.css")
    assert plain.status == 200
    assert plain["Content-Type"].startswith("text/css")
    assert plain["Cache-Control"]
    assert plain["X-Content-Type-Options"] == "nosniff"
    assert plain["Last-Modified"]

    small = client.get("/static/style.css", Accept_Encoding="gzip")
    assert small["Content-Encoding"] == "gzip"
    assert small["Vary"] == "Accept-Encoding"
    assert len(small.body) < len(plain.body)

    again = client.get("/static/style.css", If_None_Match=plain["ETag"])
    assert (again.status, again.body) == (304, b"")
    since = client.get("/static/style.css", If_Modified_Since=plain["Last-Modified"])
    assert since.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static",
        "/static/",
        "/static../__init__.py",
        "/static/../__init__.py",
        "/static/..%2f__init__.py",
        "/static/%2e%2e/__init__.py",
        "/static//etc/passwd",
        "/static/none.css",
        "/__init__.py",
        "/trial.py",
        "/config/production.cfg",
        "/.git/config",
    ],
)
def test_nothing_but_static_files_is_served_from_the_disk(
    client: Client, path: str
) -> None:
    """No listing, and no way up."""
    reply = client.get(path)
    assert reply.status in {301, 308, 400, 403, 404}
    assert b"import" not in reply.body
    assert all(reply[name] for name in SECURITY)


@pytest.mark.parametrize(
    ("path", "status"), [("/none", 404), ("/trial/upload", 405), ("/trial/crash", 500)]
)
def test_errors_are_pages_for_people_and_json_for_programs(
    client: Client, path: str, status: int
) -> None:
    """With the id of the request, the security headers, and without a traceback."""
    page = client.get(path, Accept="text/html")
    assert page.status == status
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert page["X-Request-ID"] in page.text
    problem = client.get(path, Accept="application/json")
    assert problem.status == status
    assert problem["Content-Type"] == "application/problem+json"
    assert json.loads(problem.body)["status"] == status
    assert json.loads(problem.body)["request_id"] == problem["X-Request-ID"]
    for reply in (page, problem):
        assert b"Traceback" not in reply.body
        assert all(reply[name] for name in SECURITY)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json, text/html", "text/html"),
        ("text/html;q=0.9, application/json", "application/problem+json"),
        ("application/json, text/plain, */*", "application/problem+json"),
        ("image/avif,image/webp,*/*;q=0.8", "application/problem+json"),
        ("*/*", "application/problem+json"),
        (None, "application/problem+json"),
    ],
)
def test_nginx_and_the_application_choose_the_same_form(
    client: Client, accept: str | None, kind: str
) -> None:
    """A page for those who name HTML, as browsers do; JSON for curl and libraries."""
    headers = {} if accept is None else {"Accept": accept}
    for path in ("/none", "/static/none"):  # the second one is an error of nginx
        reply = client.get(path, **headers)
        form = (reply["Content-Type"] or "").partition(";")[0]
        assert (reply.status, form) == (404, kind), path


def test_the_application_knows_the_real_client_host_and_scheme(client: Client) -> None:
    """And makes its links and redirects of them."""
    scheme = "https" if client.tls else "http"
    echo = json.loads(client.get("/trial/echo").body)
    assert echo["address"] == "127.0.0.1"
    assert echo["scheme"] == scheme
    assert echo["link"] in {
        f"{scheme}://{client.host}{port}/trial/echo" for port in ("", f":{client.port}")
    }
    reply = client.get("/trial/redirect")
    assert reply.status == 302
    assert reply["Location"] == echo["link"]


@pytest.mark.parametrize("host", ["{}:8443", "{}.:8443", "www.{}:8443"])
def test_links_keep_the_host_and_the_port_of_the_address(
    client: Client, host: str
) -> None:
    """Whichever of the names it is, and wherever a port is forwarded from."""
    host = host.format(client.host)
    with client.session() as connection:
        echo = json.loads(ask(connection, "GET", "/trial/echo", {"Host": host}).body)
    scheme = "https" if client.tls else "http"
    assert echo["link"] == f"{scheme}://{host.replace('.:', ':')}/trial/echo"


@pytest.mark.parametrize("path", ["/\u00e9", "/?q=\u00e9"])
def test_raw_bytes_in_the_request_line_are_refused_with_our_page(
    client: Client, path: str
) -> None:
    """On all servers alike, and with a line in the log."""
    lines = (
        f"GET {path} HTTP/1.1\r\nHost: {client.host}\r\nAccept: text/html\r\n"
        "Connection: close\r\n\r\n"
    )
    head, _, body = client.raw(lines.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert all(f"\r\n{name}: ".encode() in head for name in SECURITY)
    assert body.lower().startswith(b"<!doctype html>")


def test_a_client_cannot_forge_its_address_host_or_scheme(client: Client) -> None:
    """Whatever it sends in the headers that proxies use: nothing of it gets through."""
    honest = json.loads(client.get("/trial/echo").body)
    with client.session() as connection:
        headers = {**client.named({}), **SPOOFED}
        forged = json.loads(ask(connection, "GET", "/trial/echo", headers).body)
    for key in ("address", "scheme", "host", "link"):
        assert forged[key] == honest[key]
    seen = json.dumps(forged)
    for value in ("6.6.6.6", "evil", "gopher"):
        assert value not in seen


@pytest.mark.parametrize("name", sorted(SPOOFED))
@pytest.mark.parametrize("separator", ["_", "-"])
def test_a_header_under_another_spelling_does_not_get_through(
    client: Client, name: str, separator: str
) -> None:
    """WSGI makes no difference between `_` and `-`: so nginx must."""
    spelling = name.replace("-", separator).upper()
    request = (
        f"GET /trial/echo HTTP/1.1\r\nHost: {client.host}\r\nConnection: close\r\n"
        f"{spelling}: {SPOOFED[name]}\r\n{spelling}: {SPOOFED[name]}\r\n\r\n"
    )
    answer = client.raw(request.encode()).decode()
    assert answer.startswith("HTTP/1.1 200 ")
    assert not re.search(r"6\.6\.6\.6|evil|gopher", answer.split("\r\n\r\n")[1])


def test_another_host_is_not_answered(client: Client) -> None:
    """The connection is closed, or it is told that this is not the place."""
    hosts = ["evil.example", "", "example.com.evil.example", "127.0.0.1"]
    for host in hosts:
        lines = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = client.raw(lines.encode())
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 421 "))


def test_another_name_gets_no_certificate(secure: Site) -> None:
    """Which would tell who serves here; nor does one who gives no name."""
    for host in ("evil.example", "127.0.0.1"):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            replace(secure.client, host=host).get("/")


def test_an_upload_arrives_whole(client: Client) -> None:
    """From none to nearly as much as allowed."""
    for size in (0, 1, 100_000, 15 << 20):
        status, body, digest = upload(client, size)
        assert status == 200
        assert json.loads(body) == {"name": "a.bin", "digest": digest}


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_chunked_body_arrives_whole(client: Client, size: int) -> None:
    """On every server; none of it is lost between nginx and the view."""
    body = b"x" * size
    answer = client.post_chunked("/trial/body/a", body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    digest = hashlib.sha256(body).hexdigest()
    assert body_of(answer).decode() == f"a {size} {digest}"


def test_large_response_headers_arrive(client: Client) -> None:
    """Several full cookies, which is more than nginx takes by default."""
    reply = client.get("/trial/cookies")
    assert reply.status == 200
    assert len(reply.headers.get_all("Set-Cookie") or []) == 3


def test_a_login_lasts(client: Client) -> None:
    """A browser sends a Secure cookie back over HTTPS only."""
    cookie = client.request("POST", "/trial/login")["Set-Cookie"]
    assert ("; Secure" in cookie) is client.tls
    reply = client.get("/trial/user", Cookie=cookie.partition(";")[0])
    assert reply.text == "me"


def test_a_large_form_field_arrives(client: Client) -> None:
    """As large as a body may be; Flask's own limit is 500 kB."""
    content = "x" * 700_000
    head = '--a\r\nContent-Disposition: form-data; name="f"\r\n\r\n'
    body = f"{head}{content}\r\n--a--\r\n"
    kind = "multipart/form-data; boundary=a"
    reply = client.request("POST", "/trial/field", body.encode(), Content_Type=kind)
    assert (reply.status, reply.text) == (200, "700000")


def test_too_large_a_body_is_413(client: Client) -> None:
    """Said before it is sent, as a clean answer of ours."""
    length = 17 << 20
    request = (
        f"POST /trial/upload HTTP/1.1\r\nHost: {client.host}\r\nAccept: text/html\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    answer = client.raw(request.encode() + b"x" * 1000, timeout=0.5).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert all(f"\r\n{name}: " in head for name in SECURITY)
    assert body.lower().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("size", "statuses"), [(5_000, {200}), (7_500, {200}), (20_000, {400, 414, 431})]
)
@pytest.mark.parametrize("where", ["cookie", "query"])
def test_long_headers_arrive_and_too_long_ones_are_refused(
    client: Client, size: int, statuses: set[int], where: str
) -> None:
    """A cookie or an address of 7 kB is usual; a refusal is a clean answer of ours."""
    cookie, query = ("x" * size, "") if where == "cookie" else ("", "x" * size)
    reply = client.get(f"/trial/echo?{query}", Cookie=f"a={cookie}")
    assert reply.status in statuses
    assert reply["Server"] in {"nginx", ""}
    assert all(reply[name] for name in SECURITY)


def test_too_long_a_request_line_is_refused_with_our_page(site: Site) -> None:
    """The default server answers, since nginx has not read the host name."""
    reply = site.client.get(f"/?{'x' * 20_000}")
    assert reply.status == 414
    assert all(reply[name] for name in (*SECURITY, "X-Request-ID"))
    assert b"Something went wrong" in reply.body
    line = f'"request_id":"{reply["X-Request-ID"]}"'
    eventually(lambda: line in site.nginx_log())


@pytest.mark.parametrize(("number", "status"), [(900, 200), (2000, 431)])
def test_many_headers_arrive_and_too_many_are_refused(
    client: Client, number: int, status: int
) -> None:
    """As many as nginx passes on: none is dropped on the way."""
    names = [f"X-H{i}" for i in range(number)]
    with client.session() as connection:
        reply = ask(
            connection, "GET", "/trial/echo", client.named(dict.fromkeys(names, "v"))
        )
    assert reply.status == status
    assert all(reply[name] for name in SECURITY)
    if status == 200:
        received = {name for name, _ in json.loads(reply.body)["headers"]}
        assert received >= {name.title() for name in names}


def test_head_is_get_without_the_body(client: Client) -> None:
    """And the connection goes on."""
    with client.session() as connection:
        for path in ("/", "/none", "/static/style.css", "/trial/body/a?size=5000"):
            replies = [
                ask(connection, method, path, client.named({}))
                for method in ("GET", "HEAD", "GET")
            ]
            get, head, _ = replies
            assert head.body == b""
            assert head.status == get.status
            assert head["Content-Type"] == get["Content-Type"]
            lengths = {reply["Content-Length"] for reply in replies}
            assert path == "/none" or len(lengths) == 1


def test_a_connection_serves_many_requests(client: Client) -> None:
    """Of all kinds, errors too."""
    with client.session() as connection:
        for path in ["/", "/none", "/trial/crash", "/static/style.css"] * 5:
            reply = ask(connection, "GET", path, client.named({}))
            assert reply["Connection"] != "close"
        for size in (0, 10, 100_000):
            body = b"x" * size
            reply = ask(connection, "POST", "/trial/body/a", client.named({}), body)
            assert reply.text.split() == [
                "a",
                str(size),
                hashlib.sha256(body).hexdigest(),
            ]


def test_the_health_addresses_answer(client: Client) -> None:
    """Their responses are not cached."""
    for path in ("/healthz", "/readyz"):
        reply = client.get(path)
        assert reply.status == 200
        assert json.loads(reply.body)["status"] == "ok"
        assert reply["Cache-Control"] == "no-store"


def test_a_request_that_is_only_half_there_ends(client: Client) -> None:
    """A client that disconnects in the middle of a body affects no other."""
    head = f"POST /trial/body/a HTTP/1.1\r\nHost: {client.host}\r\nContent-Length: 100"
    for _ in range(20):
        client.raw(f"{head}\r\n\r\nhalf".encode(), timeout=0.05)
    assert client.get("/").status == 200


def test_one_request_has_one_id_in_all_logs(site: Site) -> None:
    """Made by nginx, or taken from the client if it can do no harm."""
    given = {
        "": "[0-9a-f]{32}",
        "from-a-client.0001": r"from-a-client\.0001",
        "short": "[0-9a-f]{32}",
        "<script>alert(1)</script>": "[0-9a-f]{32}",
        "x" * 65: "[0-9a-f]{32}",
    }
    for sent, wanted in given.items():
        headers = {"X_Request_ID": sent} if sent else {}
        reply = site.client.get("/trial/echo", **headers)
        identifier = reply["X-Request-ID"]
        assert re.fullmatch(wanted, identifier)
        quoted = f'"{identifier}"'
        eventually(lambda quoted=quoted: quoted in site.nginx_log())  # type: ignore[misc]
        eventually(lambda quoted=quoted: quoted in site.application_log())  # type: ignore[misc]


def test_all_log_lines_are_json(site: Site) -> None:
    """Those of nginx, and those that the application writes."""
    site.client.get("/trial/echo?quote=%22&slash=\\", User_Agent='a "name" \\')
    for line in site.nginx_log().splitlines():
        assert json.loads(line)["request_id"]
    echoes = [x for x in site.application_log().splitlines() if '"echo"' in x]
    assert echoes
    assert all(json.loads(line)["request_id"] for line in echoes)


POST = "POST /trial/echo HTTP/1.1\r\nHost: {host}\r\n"
NEXT = "GET /trial/echo?smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
PROBES = {
    "CL and TE": f"{POST}Content-Length: 6\r\n{CHUNKED}\r\n0\r\n\r\n{NEXT}",
    "TE and CL": f"{POST}{CHUNKED}Content-Length: 6\r\n\r\n0\r\n\r\n{NEXT}",
    "two CL": f"{POST}Content-Length: 0\r\nContent-Length: 9\r\n\r\n{NEXT}",
    "same CL twice": f"{POST}Content-Length: 9\r\nContent-Length: 9\r\n\r\n{NEXT}",
    "list of CL": f"{POST}Content-Length: 0, 9\r\n\r\n{NEXT}",
    "plus in CL": f"{POST}Content-Length: +9\r\n\r\n{NEXT}",
    "negative CL": f"{POST}Content-Length: -1\r\n\r\n{NEXT}",
    "hexadecimal CL": f"{POST}Content-Length: 0x9\r\n\r\n{NEXT}",
    "huge CL": f"{POST}Content-Length: 99999999999999999999\r\n\r\n{NEXT}",
    "space before colon": f"{POST}Content-Length : 9\r\n\r\n{NEXT}",
    "unknown TE": f"{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{NEXT}",
    "two codings": f"{POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{NEXT}",
    "two TE": f"{POST}{CHUNKED}{CHUNKED}\r\n0\r\n\r\n{NEXT}",
    "TE after a tab": f"{POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{NEXT}",
    "TE in HTTP/1.0": f"{POST}{CHUNKED}\r\n0\r\n\r\n{NEXT}".replace("1.1", "1.0", 1),
    "bad chunk": f"{POST}{CHUNKED}\r\nx\r\n\r\n{NEXT}",
    "huge chunk": f"{POST}{CHUNKED}\r\nfffffffffffffffff\r\n\r\n{NEXT}",
    "folded": f"{POST}X-A: b\r\n Content-Length: 9\r\n\r\n",
    "folded TE": f"{POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "two hosts": f"{POST}Host: evil.example\r\nContent-Length: 0\r\n\r\n",
    "NUL": f"{POST}X-A: a\x00b\r\n\r\n{NEXT}",
    "bare CR": f"{POST}X-A: a\rTransfer-Encoding: chunked\r\n\r\n",
    "no colon": f"{POST}Content-Length 9\r\n\r\n",
    "another host in the address": POST.replace(
        "/trial", "http://evil.example/trial", 1
    )
    + "\r\n",
    "no host": "GET /trial/echo HTTP/1.1\r\n\r\n",
    "HTTP/2.0 as text": POST.replace("1.1", "2.0") + "\r\n",
    "nonsense": "\x16\x03\x01\x02\x00\x01\r\n\r\n",
}


@pytest.mark.parametrize("probe", PROBES)
def test_a_request_that_can_be_read_in_two_ways_is_refused(
    client: Client, probe: str
) -> None:
    """Or passed on in one way only: nothing that it hides is answered."""
    request = PROBES[probe].replace("{host}", client.host)
    answer = client.raw(request.encode("latin-1"), timeout=0.5)
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert len(statuses) <= 1
    assert b"smuggled" not in answer
    assert b"evil" not in answer or statuses == [b"400"]  # whose page names it
    assert set(statuses) <= {b"200", b"400", b"405", b"413", b"501", b"505"}
    if b"200" in statuses:
        seen = {name.lower() for name, _ in json.loads(body_of(answer))["headers"]}
        assert "transfer-encoding" not in seen
        assert "x-a" not in seen
    assert client.get("/").status == 200


def body_of(answer: bytes) -> bytes:
    """Return the body of an answer."""
    return answer.partition(b"\r\n\r\n")[2]


def test_lines_that_end_in_a_bare_lf_arrive_in_the_right_form(client: Client) -> None:
    """Nginx takes them, and passes the request on as it should have been."""
    request = f"GET /trial/echo HTTP/1.1\nHost: {client.host}\nConnection: close\n\n"
    answer = client.raw(request.encode())
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
    assert answer.count(b"HTTP/1.1 ") == 1


def test_https_is_the_only_way_in(secure: Site) -> None:
    """Port 80 sends everybody there; browsers keep to it from then on."""
    for host in (secure.client.host, f"www.{secure.client.host}"):
        reply = replace(secure.redirecting, host=host).get("/trial/echo?a=b")
        assert reply.status == 301
        assert reply["Location"] == f"https://{host}/trial/echo?a=b"
    for path in ("/", "/none", "/static/style.css", "/static/none"):
        header = secure.client.get(path).headers.get_all("Strict-Transport-Security")
        assert header == ["max-age=63072000"]


def test_each_header_comes_once(client: Client) -> None:
    """From the application or from nginx, not from both."""
    for path in ("/", "/none", "/static/style.css", "/static/none"):
        names = [name.lower() for name in client.get(path).headers]
        assert len(names) == len(set(names))


def test_nginx_has_a_policy_only_for_what_it_answers_by_itself(client: Client) -> None:
    """A setting decides on what the application answers."""
    for path in ("/static/style.css", "/static/none"):
        policy = client.get(path)["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
    assert not client.get("/trial/policy")["Content-Security-Policy"]


BALANCER = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "8443",
}


@pytest.mark.parametrize("server", SERVERS)
def test_behind_a_named_proxy_scheme_port_and_address_are_the_clients(
    server: str, plain: Callable[[str, str], Plain]
) -> None:
    """The tests are such a proxy: they connect from 127.0.0.1."""
    site = plain(server, "proxy")
    client = site.client
    with client.session() as connection:
        headers = client.named({}) | BALANCER
        reply = ask(connection, "GET", "/trial/echo", headers)
        echo = json.loads(reply.body)
        assert echo["link"] == f"https://{client.host}:8443/trial/echo"
        assert (echo["scheme"], echo["address"]) == ("https", "203.0.113.9")
        assert reply["Strict-Transport-Security"] == "max-age=63072000"
        headers |= {"X-Forwarded-Port": "443"}
        echo = json.loads(ask(connection, "GET", "/trial/echo", headers).body)
        assert echo["link"] == f"https://{client.host}/trial/echo"
    eventually(lambda: '"client":"203.0.113.9"' in site.nginx_log())
    reply = client.get("/trial/echo")
    assert json.loads(reply.body)["scheme"] == "http"
    assert reply["Strict-Transport-Security"] == ""


@pytest.mark.parametrize("server", SERVERS)
def test_client_addresses_come_from_named_proxies_only(
    server: str, plain: Callable[[str, str], Plain]
) -> None:
    """A client at another address cannot forge scheme, port, host or address."""
    client = plain(server, "proxy").client
    address = ("127.0.0.1", client.port)
    with socket.create_connection(address, 10, ("127.0.0.9", 0)) as c:
        lines = "".join(f"{k}: {v}\r\n" for k, v in (SPOOFED | BALANCER).items())
        request = f"GET /trial/echo HTTP/1.0\r\nHost: {client.host}\r\n{lines}\r\n"
        c.sendall(request.encode())
        answer = b"".join(iter(lambda: c.recv(65536), b""))
    echo = json.loads(body_of(answer))
    assert echo["link"] == f"http://{client.host}/trial/echo"
    assert (echo["scheme"], echo["address"]) == ("http", "127.0.0.9")
    assert not re.search(r"6\.6\.6\.6|evil|gopher|203\.0|8443", json.dumps(echo))
