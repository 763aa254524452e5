"""`deploy/machine/` understands nginx, and restores what it has changed."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("services are installed on Linux", allow_module_level=True)

from deploy import installer
from deploy.machine import names
from deploy.machine.commands import signals
from deploy.machine.files import State, contains_our_paths, look, put
from deploy.machine.health import largest_body
from deploy.machine.messages import DeployError, NginxError
from deploy.machine.names import AVAILABLE, HERE, PLAIN, Names
from deploy.machine.needs import host_problems, name_problems
from deploy.machine.nginx import (
    Host,
    connection_problems,
    directives,
    names_of,
    others_of,
    site_of,
    targets_of,
)
from deploy.machine.releases import complete_release, discard, next_release
from deploy.machine.sites import Sites, fit_body
from deploy.machine.steps import undone_by
from deploy.machine.units import (
    command_of,
    command_state,
    hosts_state,
    recorded_hosts,
    sandbox,
    settings_file,
    unit_of,
)

SITE = (HERE / "nginx.conf").read_text(encoding="utf-8")
DEFAULT = (HERE / "nginx-default.conf").read_text(encoding="utf-8")
UNITS = [path for path in sorted(HERE.iterdir()) if path.stem == PLAIN]
HOSTS = ["staging.example.net", "a" * 50 + ".example"]


@pytest.fixture
def own() -> Iterator[Names]:
    """Return the names of the instance, which a test may change."""
    before = vars(names.own).copy()
    yield names.own
    vars(names.own).update(before)


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("listen 80 default_server;", ("*", 80)),
        ("listen\t80\tdefault;", ("*", 80)),
        ("server { listen *:80 default_server; }", ("*", 80)),
        ("listen 0.0.0.0:80\n    default_server;", ("*", 80)),
        ("listen [::]:443 ssl default_server ipv6only=on;", ("::", 443)),
        ("listen [::] default_server;", ("::", 80)),
        ("listen localhost:8080 default_server;", ("localhost", 8080)),
        ("listen unix:/run/x.sock default_server;", None),
        ("# listen 80 default_server;", ()),
        ("listen 80;  # default_server", ()),
    ],
)
def test_a_default_server_is_found_in_any_spelling(line: str, address: object) -> None:
    """The one of another site must not be declared twice."""
    found = others_of(f"{line}\n").defaults
    assert found == (set() if address == () else {address})


def test_the_default_server_leaves_out_what_another_site_has() -> None:
    """For one of IPv4 and IPv6, the other family keeps ours."""
    host = others_of("listen 80 default_server;")
    lines = directives("listen", host.adapt(DEFAULT))
    assert ["80", "default_server"] not in lines
    assert ["[::]:80", "default_server"] in lines


def test_a_kernel_without_ipv6_gets_no_ipv6_address() -> None:
    """It would not start with one."""
    adapted = Host(ipv6=False).adapt(SITE + DEFAULT)
    assert "[::]" in SITE
    assert not [x for x, *_ in directives("listen", adapted) if "[" in x]
    assert directives("listen", adapted)


def test_a_dual_stack_socket_of_another_site_serves_ipv4() -> None:
    """A second socket for the same port could not be bound."""
    host = others_of("listen [::]:80 default_server ipv6only=off;")
    listens = [first for first, *_ in directives("listen", host.adapt(SITE))]
    assert "80" not in listens
    assert "[::]:80" in listens


def test_an_old_nginx_gets_http2_in_its_own_spelling() -> None:
    """Before 1.25.1, `http2 on` is an error."""
    site = "    listen 443 ssl;\n    http2 on;\n"
    assert Host().adapt(site) == site
    old = Host(http2_directive=False).adapt(site)
    assert old == "    listen 443 ssl http2;\n"


@pytest.mark.parametrize(
    ("dump", "open_files", "refused"),
    [
        ("events { worker_connections 768; }", 524288, ["worker_connections"]),
        ("events {}", 524288, ["worker_connections"]),
        ("events { worker_connections 8192; }", 1024, ["worker_rlimit_nofile"]),
        ("events {}", 1024, ["worker_connections", "worker_rlimit_nofile"]),
        ("events { worker_connections 8192; }", 524288, []),
        ("worker_rlimit_nofile 99; events {}", 9999, ["worker_conn", "worker_rlim"]),
        ("worker_rlimit_nofile 9999; events { worker_connections 9999; }", 99, []),
    ],
)
def test_nginx_has_connections_for_all_that_wait(
    dump: str, open_files: int, refused: list[str]
) -> None:
    """Otherwise it closes those of clients, without a response."""
    problems = connection_problems(dump, SITE, open_files)
    assert len(problems) == len(refused)
    for problem, name in zip(problems, refused, strict=True):
        assert problem.startswith(f"nginx: {name}")
        assert "; run: " in problem


def test_the_health_check_asks_for_each_name_and_address() -> None:
    """By the names and ports of the site."""
    names = names_of(SITE)
    assert names
    assert not [name for name in names if not name.strip("._-").isprintable()]
    hosts = [address[0] for address, _ in targets_of(SITE)]
    assert hosts == ["127.0.0.1", "::1"]
    long = "a" * 63 + ".example"
    assert names_of(f"server_name ~^{long.replace('.', '[.]')}$ b;") == [
        long,
        "b",
    ]


def test_a_path_changes_at_once_and_back(tmp_path: Path) -> None:
    """A file, a link and nothing, in any order; no other file is left behind."""
    path = tmp_path / "path"
    states: list[State] = [
        None,
        {"text": "bytes \udcff and\r\nlines\n"},
        {"link": "elsewhere"},
    ]
    for before in states:
        for after in states:
            put(path, before)
            assert put(path, after) is (before != after)
            assert look(path) == after
            assert len(list(tmp_path.iterdir())) == (after is not None)
            put(path, None)


def test_what_fails_is_undone_in_reverse_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a signal that comes meanwhile waits."""
    monkeypatch.setattr(signals, "received", 0)
    monkeypatch.setattr(signals, "ignored", False)
    undone: list[str] = []
    with (
        pytest.raises(DeployError),
        undone_by(lambda: undone.append("first")),
        undone_by(lambda: undone.append("second")),
    ):
        raise NginxError
    assert undone == ["second", "first"]
    assert signals.ignored
    signals.receive(2)
    signals.check()


def test_a_release_that_is_not_complete_is_never_used(
    tmp_path: Path, own: Names
) -> None:
    """The checksum is written last, and removed first."""
    own.releases, own.current = tmp_path, tmp_path / "none"
    for number in ("9", "10"):
        (tmp_path / number).mkdir()
    assert complete_release("sum") is None
    assert next_release().name == "11"
    (tmp_path / "9" / "checksum").write_text("sum\n")
    assert complete_release("sum") == tmp_path / "9"
    discard(tmp_path / "9")
    assert complete_release("sum") is None


def test_only_files_of_this_service_are_its_own(tmp_path: Path) -> None:
    """Whatever the name of the file is."""
    theirs = tmp_path / "theirs"
    theirs.write_text("server { root /srv/other/current/; }\n")
    assert not contains_our_paths(theirs)
    assert not contains_our_paths(tmp_path / "none")
    ours = tmp_path / "ours"
    for text in (SITE, DEFAULT):
        ours.write_text(text)
        assert contains_our_paths(ours)
    assert len(UNITS) == 2
    for unit in UNITS:
        assert contains_our_paths(unit)


def test_units_leave_the_name_to_systemd() -> None:
    """So that they serve each instance."""
    units = [unit.read_text(encoding="utf-8") for unit in UNITS]
    text = re.sub(r"(?m)^ *#.*", "", "\n".join(units))
    places = r"/(?:srv|etc(?!/n)|run|var/lib|sites-available)/([^/;\s.-]+)"
    assert {*re.findall(places, text)} == {"%p"}
    assert {*re.findall(r"(?m)^(?:User|StateDirectory)=(.+)", text)} == {"%p"}


def test_variables_of_two_instances_are_never_the_same() -> None:
    """One of `shop-x` could end as one of `shop`, whose own ends in x_."""
    prefix = PLAIN.replace("-", "_")
    ends = {*re.findall(rf"(?m)^(?:map|geo) .*\${prefix}_(\w+)", SITE)}
    assert "request_id" in ends
    assert not [(a, b) for a in ends for b in ends if a.endswith(f"_{b}")]
    # nginx has variables of these names itself, with $server_ and $remote_ before them.
    assert not ends & {"addr", "name", "port", "protocol", "user"}


def test_an_instance_has_everything_under_its_name(own: Names) -> None:
    """And its hosts: those of the release are not served by it."""
    own.use("a-second-one")
    own.hosts = HOSTS
    site = site_of(HERE)
    assert "server unix:/run/a-second-one/a-second-one.sock " in site
    assert "$a_second_one_request_id" in site
    assert names_of(site) == HOSTS
    default = site_of(HERE, "nginx-default.conf")
    assert len(directives("server_name", site)) == len(directives("server_name", SITE))
    assert directives("server_name", default) == [["_"]]
    unit = unit_of(HERE)
    assert "%p" not in unit
    assert "\nUser=a-second-one\n" in unit
    assert settings_file(HERE).parent == Path("/etc/a-second-one")
    assert command_of(HERE) == PLAIN


def test_an_instance_remembers_its_hosts(own: Names, tmp_path: Path) -> None:
    """In the drop-in that has the application trust them."""
    own.hosts_file = tmp_path / "hosts.conf"
    assert recorded_hosts() == []
    assert hosts_state("shop") is None
    own.hosts = HOSTS
    put(own.hosts_file, hosts_state("shop"))
    assert recorded_hosts() == HOSTS
    assert contains_our_paths(own.hosts_file)
    line = own.hosts_file.read_text(encoding="utf-8").splitlines()[-1]
    name, _, value = line.removeprefix("Environment='").removesuffix("'").partition("=")
    assert name == "SHOP_TRUSTED_HOSTS"
    assert json.loads(value) == [*HOSTS, "localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        *(("Shop", ""), ("shop_a", ""), ("1a", ""), ("a--b", ""), ("a-", "")),
        *(("a" * 31, ""), ("../x", ""), ("", ""), ("shop-default", ""), ("a\n", "")),
        *(("shop", "Example.com"), ("shop", "a b"), ("shop", "1.2.3.4")),
        *(("shop", "a;b"), ("shop", "-a.example"), ("shop", "x" * 64), ("shop", " ")),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_a_line(name: str, host: str) -> None:
    """With a fix."""
    [line] = name_problems(name, [host] if host else [])
    assert line.startswith("--host: must " if host else "--name: must ")
    assert "; use for example staging" in line
    assert not list(name_problems("shop-staging", HOSTS))


def test_another_instance_must_have_hosts_of_its_own(own: Names) -> None:
    """It cannot have those of the first one; once given, they are remembered."""
    assert not list(host_problems())
    own.use("staging")
    assert [line.split(":")[0] for line in host_problems()] == ["--host"]
    own.hosts = HOSTS
    assert not list(host_problems())


def test_each_command_has_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    """It starts the installer with the command of its name, which has a description."""
    scripts = {path.name for path in HERE.iterdir() if not path.suffix}
    assert scripts - {"machine", "__pycache__"} == installer.TEXTS.keys()
    assert installer.DONE.keys() == installer.TEXTS.keys()
    for name in installer.TEXTS:
        script = (HERE / name).read_text(encoding="utf-8")
        assert script.endswith(f'/installer.py" {name} "$@"\n')
        with pytest.raises(SystemExit, match="0"):
            installer.parse(name, ["--help"])
        assert capsys.readouterr().out.startswith(f"usage: sudo deploy/{name} ")


def test_the_installed_command_runs_the_installer_of_any_release(own: Names) -> None:
    """After an upgrade or a rollback, too: each release has it there."""
    state = command_state()
    assert state
    assert f"\ninstaller=/srv/{own.name}/current/deploy/installer.py\n" in state["text"]
    assert "if ! grep -q '^def flask' $installer; then" in state["text"]
    assert "\ndef flask(" in (HERE / "installer.py").read_text(encoding="utf-8")


def test_a_command_gets_the_sandbox_of_the_unit() -> None:
    """All but what is said of the process that serves; a drop-in changes it."""
    unit = unit_of(HERE)
    drop_in = "[Service]\nPrivateNetwork=no\n#X=y\nUMask=\\\n0027\n[Unit]\nX=y\n"
    options = sandbox(f"{unit}\n{drop_in}")
    given = [option.removeprefix("--property=") for option in options]
    assert f"User={PLAIN}" in given
    assert f"StateDirectory={PLAIN}" in given
    assert given.index("PrivateNetwork=yes") < given.index("PrivateNetwork=no")
    assert given[-1] == "UMask=0027"
    kept = re.findall(r"(?m)^(Protect\w+|Private\w+|SystemCall\w+)=(.*)", unit)
    assert len(kept) > 10
    assert {f"{name}={value}" for name, value in kept} <= {*given}
    names = {option.partition("=")[0] for option in given}
    assert names.isdisjoint({"ExecStart", "ExecReload", "Type", "Restart", "X"})


def test_nginx_takes_bodies_as_large_as_the_application() -> None:
    """The number is that of the settings on the machine."""
    available = AVAILABLE / names.own.name
    sites = Sites(SITE, {available: {"text": SITE}}, [])
    assert fit_body(sites, largest_body("would start")) is sites
    said = "would start (MAX_CONTENT_LENGTH: {})"
    assert largest_body(said.format(1000)) == "1000"
    assert largest_body(said.format(None)) == "0"
    body = largest_body(said.format(32 << 20))
    fitted = fit_body(sites, body)
    assert ["32m"] in directives("client_max_body_size", fitted.text)
    assert fitted.states[available] == {"text": fitted.text}
