"""The files in deploy/ are one set, which the server and the settings match."""

import math
import re
import tomllib
from pathlib import Path

from flask import Flask

from {{ cookiecutter.__package }}.config import layout
from {{ cookiecutter.__package }}.config.kinds import MOST_THREADS
from {{ cookiecutter.__package }}.headers import HEADERS
from {{ cookiecutter.__package }}.proxy import LONGEST_WAIT, VALID_ID
from {{ cookiecutter.__package }}.streams import LONG_PATHS

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
NAME = next(DEPLOY.glob("*.service")).stem


def read(path: Path) -> str:
    """Return the text of a file, whatever the locale is."""
    return path.read_text(encoding="utf-8")


SERVICE = read(DEPLOY / f"{NAME}.service").replace("%p", NAME)
SOCKET = read(DEPLOY / f"{NAME}.socket").replace("%p", NAME)
# Long requests have timeouts of their own.
LONG = r"    location \S+ \{\n[^}]*_read_timeout[^}]*\}\n"
WHOLE = read(DEPLOY / "nginx.conf")
NGINX = re.sub(LONG, "", WHOLE)
DEFAULT = read(DEPLOY / "nginx-default.conf")
RELEASES = read(DEPLOY / "machine" / "releases.py")


def values(text: str, name: str) -> list[str]:
    """Return what a file sets a name to, each time it does: `name value;` or `=`."""
    line = rf"^[ \t]*{name}(?: *= *|[ \t]+)(.+?);?$"
    return re.findall(line, text, re.MULTILINE)


def seconds(text: str, name: str) -> int:
    """Return the longest time that a file sets a name to."""
    return max(int(value.removesuffix("s")) for value in values(text, name))


def size(value: str) -> int:
    """Return a size as nginx writes it, in bytes."""
    units = {"k": 1024, "m": 1024**2, "g": 1024**3}
    return int(value.rstrip("kmg")) * units.get(value[-1], 1)


def kibibytes(number: int) -> str:
    """Return a number of bytes as people write it."""
    mebibytes, rest = divmod(number, 1024**2)
    return f"{number // 1024} KiB" if rest else f"{mebibytes} MiB"


def server_files(app: Flask) -> str:
    """Return what configures the WSGI server."""
    names = ("server.py", "gunicorn.conf.py", "uwsgi.ini")
    paths = [Path(app.root_path, name) for name in names]
    return "\n".join(read(path) for path in paths if path.exists())


def processes(app: Flask) -> int:
    """Return how many processes the server has."""
    numbers = re.findall(
        r"^(?:workers|processes) = (\d+)$", server_files(app), re.MULTILINE
    )
    return math.prod(map(int, numbers))


def at_once(app: Flask) -> int:
    """Return how many requests are handled at the same time."""
    has_threads = '"THREADS"' in server_files(app)
    return processes(app) * (app.config["THREADS"] if has_threads else 1)


def test_nginx_connects_to_the_socket_of_systemd() -> None:
    """Only nginx may connect."""
    [path] = values(SOCKET, "ListenStream")
    servers = re.findall(r"server unix:([^ ;]+)", NGINX)
    assert len(servers) == 2, "the second entry makes nginx retry once"
    assert set(servers) == {path}
    assert values(SOCKET, "SocketUser") == ["www-data"]
    assert values(SOCKET, "SocketMode") == ["0600"]
    assert values(SERVICE, "Requires") == [f"{NAME}.socket"]


def test_nginx_speaks_the_protocol_of_the_server(app: Flask) -> None:
    """UWSGI's own with uWSGI, HTTP with all others."""
    passed = re.findall(r"(\w+)_pass (?:http://)?(\S+);", WHOLE)
    [(protocol, target)] = set(passed)
    uwsgi = Path(app.root_path, "uwsgi.ini").exists()
    assert protocol == ("uwsgi" if uwsgi else "proxy")
    assert re.findall(r"^upstream (\S+) ", NGINX, re.MULTILINE) == [target]


def test_the_unit_runs_the_installed_command_as_the_user_of_the_service() -> None:
    """`deploy/install` takes these names from the unit."""
    [command, _, settings] = values(SERVICE, "ExecStart")[0].split()
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert command == f"/srv/{NAME}/current/bin/{NAME}"
    assert NAME in project["scripts"]
    assert values(SERVICE, "User") == [NAME]
    assert settings == f"/etc/{NAME}/settings{layout.ENDING}"
    check, reload = values(SERVICE, "ExecReload")
    site = f"/etc/nginx/sites-available/{NAME}"
    assert check == f"{command} --settings {settings} --check --nginx {site}"
    assert reload == "/bin/kill -HUP $MAINPID"


def test_each_one_waits_longer_than_the_one_before_it(app: Flask) -> None:
    """The client, nginx, the server that finishes requests, systemd that kills it."""
    client = [seconds(NGINX, f"client_{part}_timeout") for part in ("header", "body")]
    nginx = max(
        seconds(NGINX, r"\w+_connect_timeout"), seconds(NGINX, r"\w+_read_timeout")
    )
    server = [
        int(value)
        for name in ("graceful_timeout", "worker-reload-mercy")
        for value in values(server_files(app), name)
    ]
    systemd = seconds(SERVICE, "TimeoutStopSec")
    assert nginx > LONGEST_WAIT
    waits = [max(client), nginx, *server, systemd]
    assert waits == sorted(set(waits)), waits


def test_nginx_waits_for_clients_as_long_in_each_direction() -> None:
    """The default server reads the headers: it has the same limits."""
    client = {
        value
        for name in ("client_header_timeout", "client_body_timeout", "send_timeout")
        for value in values(NGINX + DEFAULT, rf"(?<!_){name}")
    }
    assert len(client) == 1, client
    service = {
        seconds(NGINX, rf"(?:proxy|uwsgi)_{name}_timeout") for name in ("read", "send")
    }
    assert len(service) == 1, service


def test_all_servers_of_nginx_listen_on_the_same_ports() -> None:
    """On the standard ports, which URLs do not name."""
    ports = [set(re.findall(r"listen (?:\[::\]:)?(\d+)", t)) for t in (NGINX, DEFAULT)]
    assert ports[0] == ports[1] <= {"80", "443"}


def test_the_service_never_counts_as_dead() -> None:
    """Each request tries it again, and systemd restarts it without a limit."""
    assert set(re.findall(r"max_fails=(\d+)", NGINX)) == {"0"}
    assert values(SERVICE, "StartLimitIntervalSec") == ["0"]
    assert int(values(SERVICE, "RestartSec")[0]) <= LONGEST_WAIT


def test_no_other_account_reads_what_the_service_writes() -> None:
    """Sessions, uploads and databases are private by default."""
    assert values(SERVICE, "StateDirectoryMode") == ["0700"]
    assert values(SERVICE, "UMask") == ["0077"]


def test_the_unit_leaves_room_for_all_threads(app: Flask) -> None:
    """With those of a reload, when old and new processes overlap."""
    requests = at_once(app)
    [tasks] = values(SERVICE, "TasksMax")
    assert 2 * processes(app) * MOST_THREADS < int(tasks) <= 8 * MOST_THREADS
    number = "one request" if requests == 1 else f"{requests} requests"
    text = " ".join(read(DEPLOY / "README.md").split())
    assert f"The service handles {number} at a time" in text
    # A connection that waits would hold a thread during a restart.
    assert set(values(server_files(app), "keepalive")) <= {"0"}


def test_clients_are_told_to_return_after_the_same_time(app: Flask) -> None:
    """Whether nginx refuses a request, or the application."""
    [nginx] = re.findall(r"^ +503 (\d+);$", NGINX, re.MULTILINE)
    code = read(Path(app.root_path, "proxy.py"))
    assert set(re.findall(r"retry_after=(\d+)", code)) == {nginx}


def test_nginx_gets_the_limit_of_the_application() -> None:
    """In one line, which `deploy/install` changes."""
    assert len(values(NGINX, "client_max_body_size")) == 1
    health = read(DEPLOY / "machine" / "health.py")
    assert r"would start \(MAX_CONTENT_LENGTH: " in health  # as test_main.py has it


def test_the_server_takes_headers_as_long_as_nginx(app: Flask) -> None:
    """What nginx lets pass must not fail behind it."""
    [buffers] = values(NGINX, "large_client_header_buffers")
    number, length = buffers.split()
    text = server_files(app)
    for name in ("limit_request_line", "limit_request_field_size"):
        for value in values(text, name):
            assert int(value) >= size(length) - 2  # without the line's end
    for name in ("limit_request_fields", "max-vars"):
        for value in values(text, name):
            assert int(value) > 1000  # max_headers of nginx
    for value in values(text, "buffer-size"):
        assert int(value) >= int(number) * size(length)


def test_the_table_of_limits_is_true(production: Flask) -> None:
    """The README names the limits that nginx and the application have."""
    manual = read(DEPLOY / "README.md")
    text = manual.partition("## Limits")[2]
    table = dict(re.findall(r"^\| ([^|]+) \| ([0-9]+[^|]*) \|", text, re.MULTILINE))
    buffers = values(NGINX + DEFAULT, "large_client_header_buffers")
    assert len(set(buffers)) == 1
    number, line = buffers[0].split()
    response = values(NGINX, r"\w+_buffer_size")[0]
    timeout = seconds(NGINX, r"\w+_read_timeout")
    passed = sum(int(number) for number in re.findall(r"max_conns=(\d+)", NGINX))
    assert f"least {3 * passed} (`worker_connections`" in manual.replace("\n", " ")
    settings = production.config
    assert table == {
        "Request line, with the URL": kibibytes(size(line)),
        "One header, such as `Cookie`": kibibytes(size(line)),
        "All headers": kibibytes(int(number) * size(line)),
        "Number of headers": "1000",
        "Body": kibibytes(settings["MAX_CONTENT_LENGTH"]),
        "Form fields without files": kibibytes(settings["MAX_FORM_MEMORY_SIZE"]),
        "Number of form fields": str(settings["MAX_FORM_PARTS"]),
        "Response headers": kibibytes(size(response)),
        "Silence while the client sends": f"{seconds(NGINX, 'client_body_timeout')} s",
        "Time to respond": f"{timeout} s",
        "Requests that wait": str(passed),
        "Waiting time of a request": f"{LONGEST_WAIT} s",
    }


def test_the_queue_is_longer_than_what_nginx_passes_on(app: Flask) -> None:
    """A full one refuses connections. A server that listens again sets its length."""
    passed = sum(int(number) for number in re.findall(r"max_conns=(\d+)", NGINX))
    queues = values(SOCKET, "Backlog")
    queues += re.findall(r"^ *backlog ?= ?(\d+)", server_files(app), re.MULTILINE)
    assert min(int(queue) for queue in queues) > passed > 0
    for queue in values(server_files(app), "listen"):  # uWSGI's
        assert passed <= int(queue) <= min(map(int, queues)), "net.core.somaxconn"


def test_nginx_and_the_application_answer_to_the_same_names(production: Flask) -> None:
    """The health check of `deploy/install` takes them from nginx."""
    names = {
        re.sub(r"[]~^$[]", "", name)  # long ones are regular expressions
        for line in values(NGINX, "server_name")
        for name in line.split()
    }
    local = {"localhost", "127.0.0.1", "[::1]"}
    assert names | local == set(production.config["TRUSTED_HOSTS"])


def test_nginx_adds_the_security_headers_of_the_application() -> None:
    """In its own responses: static files and errors."""
    for name, value in HEADERS.items():
        [given] = values(NGINX, f"add_header {name}")[:1]
        assert given.removesuffix(" always").strip('"') == value
    [policy] = values(NGINX, "add_header Content-Security-Policy")[:1]
    assert policy.startswith("\"default-src 'none'; ")


def test_nginx_adds_no_security_header_to_responses_of_the_service() -> None:
    """They have their own; a location with an add_header inherits none."""
    blocks = re.findall(r"^    location .+?^    }", NGINX, re.MULTILINE | re.DOTALL)
    passing = [block for block in blocks if "_pass " in block]
    assert passing
    for block in passing:
        added = set(values(block, "add_header"))
        assert len(added) == 1, f"add_header is missing:\n{block}"
        assert not [name for name in HEADERS if f"add_header {name}" in block]


def prefix_of(app: Flask) -> str:
    """Return the sub-path below which the application is served, if it is."""
    return str(app.config["APPLICATION_ROOT"]).rstrip("/")


def test_nginx_takes_the_static_files_from_the_current_release(
    production: Flask,
) -> None:
    """By the path that `deploy/install` links to them."""
    path = f"{prefix_of(production)}{production.static_url_path}/"
    assert f"location {path} " in NGINX, "APPLICATION_ROOT: see docs/long-requests.md"
    static = f"/srv/{NAME}/current/static/"
    [file] = re.findall(r'^RELEASE_FILE = "(.+?)"', RELEASES, re.MULTILINE)
    assert values(NGINX, "alias") == [static, f"{static}{file}"]
    assert '(release / "static").symlink_to(' in RELEASES


def test_only_nginx_answers_what_tells_releases_apart(app: Flask) -> None:
    """`deploy/install` would take another site's answer for one of the release."""
    [file] = re.findall(r'^RELEASE_FILE = "(.+?)"', RELEASES, re.MULTILINE)
    path = re.escape(f"{app.static_url_path}/{file}")
    [block] = re.findall(rf"location = {path} .\n(.+)\n    .\n", NGINX)
    assert re.findall(r"(\w+) [^;]+;", block) == ["alias"]


def test_nginx_waits_for_long_requests(production: Flask) -> None:
    """Below the paths that the application counts them, and only there."""
    paths = [block.split()[1] for block in re.findall(LONG, WHOLE)]
    prefix = prefix_of(production)
    assert sorted(paths) == sorted(f"{prefix}{path}" for path in LONG_PATHS)


def test_the_application_accepts_the_ids_that_nginx_accepts() -> None:
    """Otherwise nginx and the application would log different ones."""
    assert f'"~^{VALID_ID.pattern}$" $http_x_request_id' in NGINX


def test_nginx_says_when_it_passed_a_request_on() -> None:
    """So that the application can refuse one that has waited too long."""
    assert re.search(r"X[-_]REQUEST[-_]START \$msec;", NGINX, re.IGNORECASE)


def test_forwarded_headers_are_set_by_nginx_only() -> None:
    """The one hop that is trusted sets all three headers."""
    said = re.findall(
        r"(?:proxy_set_header|uwsgi_param) (?:HTTP_)?X[-_]FORWARDED[-_](\w+) (\S+);",
        NGINX,
        re.IGNORECASE,
    )
    trusted = {name.lower(): value for name, value in said if value != '""'}
    host = "$host${{ cookiecutter.__package }}_urlport"
{% if cookiecutter.https == 'proxy' %}
    scheme = "${{ cookiecutter.__package }}_scheme"
{% else %}
    scheme = "$scheme"
{% endif %}
    assert trusted == {"for": "$remote_addr", "host": host, "proto": scheme}
{% if cookiecutter.https == 'proxy' %}


def test_scheme_port_and_address_are_taken_from_the_same_proxies() -> None:
    """Two directives of nginx name them, because no single one can."""
    [block] = re.findall(r"^geo .+?^}", NGINX, re.DOTALL | re.MULTILINE)
    named = re.findall(r"^ +(\S+) 1;$", block, re.MULTILINE)
    assert named == values(NGINX, "set_real_ip_from")
{% endif %}
