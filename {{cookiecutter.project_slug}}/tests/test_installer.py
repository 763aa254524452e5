"""`deploy/installer.py` understands nginx, and restores what it has changed."""

import json
import re
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("services are installed on Linux", allow_module_level=True)

from deploy import installer

DEPLOY = Path(installer.__file__).parent
SITE = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
DEFAULT = (DEPLOY / "nginx-default.conf").read_text(encoding="utf-8")
UNITS = [path for path in sorted(DEPLOY.iterdir()) if path.stem == installer.PLAIN]
HOSTS = ["staging.example.net", "a" * 50 + ".example"]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> installer.Names:
    """Return the names of the instance, which a test may change."""
    names = installer.Names(installer.PLAIN)
    monkeypatch.setattr(installer, "own", names)
    return names


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
    found = installer.others_of(f"{line}\n").defaults
    assert found == (set() if address == () else {address})


def test_the_default_server_leaves_out_what_another_site_has() -> None:
    """For one of IPv4 and IPv6, the other family keeps ours."""
    host = installer.others_of("listen 80 default_server;")
    lines = installer.directives("listen", host.adapt(DEFAULT))
    assert ["80", "default_server"] not in lines
    assert ["[::]:80", "default_server"] in lines


def test_a_kernel_without_ipv6_gets_no_ipv6_address() -> None:
    """It would not start with one."""
    adapted = installer.Host(ipv6=False).adapt(SITE + DEFAULT)
    assert "[::]" in SITE
    assert not [x for x, *_ in installer.directives("listen", adapted) if "[" in x]
    assert installer.directives("listen", adapted)


def test_a_dual_stack_socket_of_another_site_serves_ipv4() -> None:
    """A second socket for the same port could not be bound."""
    host = installer.others_of("listen [::]:80 default_server ipv6only=off;")
    listens = [first for first, *_ in installer.directives("listen", host.adapt(SITE))]
    assert "80" not in listens
    assert "[::]:80" in listens


def test_an_old_nginx_gets_http2_in_its_own_spelling() -> None:
    """Before 1.25.1, `http2 on` is an error."""
    site = "    listen 443 ssl;\n    http2 on;\n"
    assert installer.Host().adapt(site) == site
    old = installer.Host(http2_directive=False).adapt(site)
    assert old == "    listen 443 ssl http2;\n"


def test_the_health_check_asks_for_each_name_and_address() -> None:
    """By the names and ports of the site."""
    names = installer.names_of(SITE)
    assert names
    assert not [name for name in names if not name.strip("._-").isprintable()]
    hosts = [address[0] for address, _ in installer.targets_of(SITE)]
    assert hosts == ["127.0.0.1", "::1"]
    long = "a" * 63 + ".example"
    assert installer.names_of(f"server_name ~^{long.replace('.', '[.]')}$ b;") == [
        long,
        "b",
    ]


def test_a_path_changes_at_once_and_back(tmp_path: Path) -> None:
    """A file, a link and nothing, in any order; no other file is left behind."""
    path = tmp_path / "path"
    states: list[installer.State] = [
        None,
        {"text": "bytes \udcff and\r\nlines\n"},
        {"link": "elsewhere"},
    ]
    for before in states:
        for after in states:
            installer.put(path, before)
            assert installer.put(path, after) is (before != after)
            assert installer.look(path) == after
            assert len(list(tmp_path.iterdir())) == (after is not None)
            installer.put(path, None)


def test_what_fails_is_undone_in_reverse_order() -> None:
    """And a signal that comes meanwhile waits."""
    undone: list[str] = []
    with (
        pytest.raises(installer.DeployError),
        installer.undone_by(lambda: undone.append("first")),
        installer.undone_by(lambda: undone.append("second")),
    ):
        raise installer.NginxError
    assert undone == ["second", "first"]
    assert installer.signals.ignored
    installer.signals.receive(2)
    installer.signals.check()
    installer.signals = installer.Signals()


def test_a_release_that_is_not_complete_is_never_used(
    tmp_path: Path, own: installer.Names
) -> None:
    """The checksum is written last, and removed first."""
    own.releases, own.current = tmp_path, tmp_path / "none"
    for number in ("9", "10"):
        (tmp_path / number).mkdir()
    assert installer.complete_release("sum") is None
    assert installer.next_release().name == "11"
    (tmp_path / "9" / "checksum").write_text("sum\n")
    assert installer.complete_release("sum") == tmp_path / "9"
    installer.discard(tmp_path / "9")
    assert installer.complete_release("sum") is None


def test_only_files_of_this_service_are_its_own(tmp_path: Path) -> None:
    """Whatever the name of the file is."""
    theirs = tmp_path / "theirs"
    theirs.write_text("server { root /srv/other/current/; }\n")
    assert not installer.contains_our_paths(theirs)
    assert not installer.contains_our_paths(tmp_path / "none")
    ours = tmp_path / "ours"
    for text in (SITE, DEFAULT):
        ours.write_text(text)
        assert installer.contains_our_paths(ours)
    assert len(UNITS) == 2
    for unit in UNITS:
        assert installer.contains_our_paths(unit)


def test_units_leave_the_name_to_systemd() -> None:
    """So that they serve each instance."""
    units = [unit.read_text(encoding="utf-8") for unit in UNITS]
    text = re.sub(r"(?m)^ *#.*", "", "\n".join(units))
    places = r"/(?:srv|etc(?!/n)|run|var/lib|sites-available)/([^/;\s.-]+)"
    assert {*re.findall(places, text)} == {"%p"}
    assert {*re.findall(r"(?m)^(?:User|StateDirectory)=(.+)", text)} == {"%p"}


def test_variables_of_two_instances_are_never_the_same() -> None:
    """One of `shop-x` could end as one of `shop`, whose own ends in x_."""
    prefix = installer.PLAIN.replace("-", "_")
    ends = {*re.findall(rf"(?m)^(?:map|geo) .*\${prefix}_(\w+)", SITE)}
    assert "request_id" in ends
    assert not [(a, b) for a in ends for b in ends if a.endswith(f"_{b}")]
    # nginx has variables of these names itself, with $server_ and $remote_ before them.
    assert not ends & {"addr", "name", "port", "protocol", "user"}


def test_an_instance_has_everything_under_its_name(own: installer.Names) -> None:
    """And its hosts: those of the release are not served by it."""
    own.use("a-second-one")
    own.hosts = HOSTS
    site = installer.site_of(DEPLOY)
    assert "server unix:/run/a-second-one/a-second-one.sock " in site
    assert "$a_second_one_request_id" in site
    assert installer.names_of(site) == HOSTS
    default = installer.site_of(DEPLOY, "nginx-default.conf")
    assert len(installer.directives("server_name", site)) == len(
        installer.directives("server_name", SITE)
    )
    assert installer.directives("server_name", default) == [["_"]]
    unit = installer.unit_of(DEPLOY)
    assert "%p" not in unit
    assert "\nUser=a-second-one\n" in unit
    assert installer.settings_file(DEPLOY).parent == Path("/etc/a-second-one")
    assert installer.command_of(DEPLOY) == installer.PLAIN


def test_an_instance_remembers_its_hosts(own: installer.Names, tmp_path: Path) -> None:
    """In the drop-in that has the application trust them."""
    own.hosts_file = tmp_path / "hosts.conf"
    assert installer.recorded_hosts() == []
    assert installer.hosts_state("shop") is None
    own.hosts = HOSTS
    installer.put(own.hosts_file, installer.hosts_state("shop"))
    assert installer.recorded_hosts() == HOSTS
    assert installer.contains_our_paths(own.hosts_file)
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
    [line] = installer.name_problems(name, [host] if host else [])
    assert line.startswith("--host: must " if host else "--name: must ")
    assert "; use for example staging" in line
    assert not list(installer.name_problems("shop-staging", HOSTS))


def test_another_instance_must_have_hosts_of_its_own(own: installer.Names) -> None:
    """It cannot have those of the first one; once given, they are remembered."""
    assert not list(installer.host_problems())
    own.use("staging")
    assert [line.split(":")[0] for line in installer.host_problems()] == ["--host"]
    own.hosts = HOSTS
    assert not list(installer.host_problems())


def test_a_command_gets_the_sandbox_of_the_unit() -> None:
    """All but what is said of the process that serves; a drop-in changes it."""
    unit = installer.unit_of(DEPLOY)
    drop_in = "[Service]\nPrivateNetwork=no\n#X=y\nUMask=\\\n0027\n[Unit]\nX=y\n"
    options = installer.sandbox(f"{unit}\n{drop_in}")
    given = [option.removeprefix("--property=") for option in options]
    assert f"User={installer.PLAIN}" in given
    assert f"StateDirectory={installer.PLAIN}" in given
    assert given.index("PrivateNetwork=yes") < given.index("PrivateNetwork=no")
    assert given[-1] == "UMask=0027"
    kept = re.findall(r"(?m)^(Protect\w+|Private\w+|SystemCall\w+)=(.*)", unit)
    assert len(kept) > 10
    assert {f"{name}={value}" for name, value in kept} <= {*given}
    names = {option.partition("=")[0] for option in given}
    assert names.isdisjoint({"ExecStart", "ExecReload", "Type", "Restart", "X"})


def test_nginx_takes_bodies_as_large_as_the_application() -> None:
    """The number is that of the settings on the machine."""
    available = installer.AVAILABLE / installer.own.name
    sites = installer.Sites(SITE, {available: {"text": SITE}}, [])
    assert installer.fit_body(sites, installer.largest_body("would start")) is sites
    said = "would start (MAX_CONTENT_LENGTH: {})"
    assert installer.largest_body(said.format(1000)) == "1000"
    assert installer.largest_body(said.format(None)) == "0"
    body = installer.largest_body(said.format(32 << 20))
    fitted = installer.fit_body(sites, body)
    assert ["32m"] in installer.directives("client_max_body_size", fitted.text)
    assert fitted.states[available] == {"text": fitted.text}
