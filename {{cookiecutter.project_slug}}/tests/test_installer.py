"""`deploy/installer.py` understands nginx, and restores what it has changed."""

import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("services are installed on Linux", allow_module_level=True)

from deploy import installer

DEPLOY = Path(installer.__file__).parent
SITE = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
DEFAULT = (DEPLOY / "nginx-default.conf").read_text(encoding="utf-8")


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum is written last, and removed first."""
    monkeypatch.setattr(installer, "RELEASES", tmp_path)
    monkeypatch.setattr(installer, "CURRENT", tmp_path / "none")
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
    for name in ("nginx.conf", "nginx-default.conf", f"{installer.NAME}.service"):
        assert installer.contains_our_paths(DEPLOY / name)
