"""`deploy/install` on machines as they are: it works, or refuses in one line."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import SERVERS

from .client import Client
from .conftest import PIP, answers_of, wheels, with_trial
from .machine import CONNECTIONS, Machine, missing
from .plain import make_certificate
from .service import Service, need
from .test_kill import OTHER, check_machine, configuration, deploy, release_of

pytestmark = pytest.mark.e2e

TMP = "/tmp"  # noqa: S108 - the one of the machine


@pytest.fixture(scope="module")
def machines(
    bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Service]]:
    """Return a function that returns a service on the one machine, not installed."""
    need(missing())
    directory = tmp_path_factory.mktemp("machines")
    projects = [bake(**answers_of(name, "no")) for name in SERVERS]
    with Machine(directory / "odd", {"/wheels": wheels(projects)}) as machine:
        machine.write("/etc/pip.conf", PIP)
        machine.write("/etc/nginx/sites-available/other", OTHER)
        machine.run("ln", "-s", "../sites-available/other", "/etc/nginx/sites-enabled")
        machine.run("systemctl", "restart", "nginx")
        machine.run("sh", "-ec", CONNECTIONS)

        def service(**answers: str) -> Service:
            answers = answers_of("waitress", "no") | answers
            project = with_trial(bake(**answers), directory / answers["project_slug"])
            service = Service(project, machine)
            service.release("1")
            return service

        yield service


@pytest.fixture(scope="module")
def service(machines: Callable[..., Service]) -> Service:
    """Return the service that most tests install."""
    return machines()


def name_of(service: Service) -> str:
    """Return the name of its account and directories."""
    return service.project.slug


def refused(service: Service, *words: str, before: tuple[str, ...] = ()) -> str:
    """See that an installation is refused in one line for each of the words."""
    state = configuration(service)
    accounts = service.machine.read("/etc/passwd")
    result = service.machine.run(
        *before, "deploy/install", cwd=service.home, check=False
    )
    assert result.returncode == 1, result.stdout
    lines = result.stdout.splitlines()
    assert [
        line for line in lines if not line.startswith(f"{name_of(service)}: ")
    ] == []
    assert lines[-2:] == [
        f"{name_of(service)}: nothing was changed",
        f"{name_of(service)}: NOT installed",
    ]
    for word in words:
        assert [line for line in lines[:-2] if word in line], result.stdout
    assert len(lines) == len(words) + 2, result.stdout
    assert configuration(service) == state
    assert service.machine.read("/etc/passwd") == accounts
    return result.stdout


WEB = "python3 -m http.server 80"
# What a machine may have, how to get rid of it, and what is said.
ODD = {
    "account": ("useradd --system --user-group NAME", "userdel NAME", "account NAME"),
    "group": ("groupadd NAME", "groupdel NAME", "group NAME"),
    "etc": (
        "mkdir /etc/NAME; touch /etc/NAME/x",
        "rm -r /etc/NAME",
        "/etc/NAME: exists",
    ),
    "empty": ("mkdir /etc/NAME", "rm -r /etc/NAME", "/etc/NAME: exists"),
    "data": ("mkdir /var/lib/NAME", "rmdir /var/lib/NAME", "/var/lib/NAME: exists"),
    "link": (
        "mkdir /data; ln -s /data /var/lib/NAME",
        "rm -r /var/lib/NAME /data",
        "/var/lib/NAME: must not be a symbolic link",
    ),
    "srv": (
        "mkdir -p /srv/NAME/releases/1; ln -s releases/1 /srv/NAME/current",
        "rm -r /srv/NAME",
        "/srv/NAME: exists",
    ),
    "unit": (
        "touch /usr/lib/systemd/system/NAME.service",
        "rm /usr/lib/systemd/system/NAME.service",
        "systemd/system/NAME.service: exists",
    ),
    "command": (
        "touch /usr/local/bin/NAME-flask",
        "rm /usr/local/bin/NAME-flask",
        "/usr/local/bin/NAME-flask: exists",
    ),
    "drop-in": (
        "mkdir UNITS/NAME.service.d; touch UNITS/NAME.service.d/hosts.conf",
        "rm -r UNITS/NAME.service.d",
        "UNITS/NAME.service.d/hosts.conf: exists",
    ),
    "site": (
        "touch /etc/nginx/sites-available/NAME",
        "rm /etc/nginx/sites-available/NAME",
        "/etc/nginx/sites-available/NAME: exists",
    ),
    "same name": (
        "echo 'server { listen 80; server_name HOST; }' >/etc/nginx/conf.d/x.conf",
        "rm /etc/nginx/conf.d/x.conf",
        "another site has the server_name HOST",
    ),
    "nginx": (
        "echo 'server { nonsense; }' >/etc/nginx/conf.d/x.conf",
        "rm /etc/nginx/conf.d/x.conf",
        'unknown directive "nonsense"',
    ),
    "connections": (
        "sed -i s/8192/768/ /etc/nginx/nginx.conf",
        CONNECTIONS,
        "nginx: worker_connections: must be at least 3072",
    ),
    "files": (
        "rm /etc/nginx/modules-enabled/90-files.conf",
        CONNECTIONS,
        "nginx: worker_rlimit_nofile: must be at least 3072",
    ),
    "disk": (
        "mount -t tmpfs -o size=10m tmpfs /srv",
        "umount /srv",
        "/srv: must have 200 MB free, not 10",
    ),
    "line ends": (
        "sed -i 's/$/\\r/' HOME/deploy/error.html",
        "sed -i 's/\\r$//' HOME/deploy/error.html",
        "deploy/error.html: must have LF line endings",
    ),
    "port": (
        f"systemctl stop nginx; systemd-run -q --unit=web {WEB}; sleep 2",
        "systemctl stop web; systemctl start nginx",
        "port 80: is taken by python3",
    ),
}


def fill(text: str, service: Service) -> str:
    """Return a text with the names of the service."""
    for name, value in {
        "NAME": name_of(service),
        "HOST": service.host,
        "HOME": service.home,
        "UNITS": "/etc/systemd/system",
    }.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("odd", ODD)
def test_a_machine_that_cannot_have_it_is_left_as_it_is(
    odd: str, service: Service
) -> None:
    """One line says what is in the way; it is gone, and nothing else has changed."""
    make, remove, said = (fill(text, service) for text in ODD[odd])
    service.run("sh", "-ec", make)
    try:
        refused(service, said)
    finally:
        service.run("sh", "-ec", remove)
    check_machine(service)


def test_a_machine_is_told_all_that_is_in_the_way(service: Service) -> None:
    """At once, and before anything has changed."""
    chosen = ("group", "data", "unit", "disk", "line ends")
    texts = [[fill(text, service) for text in ODD[name]] for name in chosen]
    service.run("sh", "-ec", "; ".join(make for make, _, _ in texts))
    try:
        refused(service, *(said for _, _, said in texts))
    finally:
        service.run("sh", "-ec", "; ".join(remove for _, remove, _ in texts))


def test_a_machine_whose_python_the_service_cannot_reach_is_refused(
    service: Service,
) -> None:
    """As one of pyenv, under /root."""
    service.run(
        "sh", "-c", "mkdir -p /root/py && cp -L /usr/bin/python3 /root/py/python3"
    )
    path = "PATH=/root/py:/usr/sbin:/usr/bin:/sbin:/bin"
    refused(service, "not /root/py/python3", before=("env", path))


def test_a_foreign_installation_of_the_name_is_not_removed(service: Service) -> None:
    """Even with --purge."""
    name = name_of(service)
    service.run("mkdir", f"/etc/{name}", f"/var/lib/{name}", f"/srv/{name}")
    service.run("useradd", "--system", name)
    try:
        result = deploy(service, "uninstall")
        assert "is not installed" in result.stdout
        assert result.returncode == 1
        service.run("id", name)
    finally:
        service.run("userdel", name)
        service.run("rmdir", f"/etc/{name}", f"/var/lib/{name}", f"/srv/{name}")


def test_a_machine_with_narrow_modes_and_a_small_tmp(service: Service) -> None:
    """Files for root alone, a /tmp of 1 MB and noexec, and the script is a link."""
    service.run("chmod", "-R", "go-rwx", ".")
    service.run("mount", "-t", "tmpfs", "-o", "noexec,size=1m", "tmpfs", TMP)
    service.run("ln", "-s", f"{service.home}/deploy/install", "/usr/local/bin/linked")
    try:
        service.run("sh", "-c", "umask 077; cd /; linked")
    finally:
        service.run("umount", TMP)
    assert release_of(service) == "1"
    assert service.client.get("/static/style.css").status == 200
    slug = service.project.slug
    service.run("systemctl", "stop", f"{slug}.socket", f"{slug}.service")
    page = service.client.get("/", Accept="text/html")
    service.run("systemctl", "start", f"{slug}.socket", f"{slug}.service")
    assert (page.status, "<h1>" in page.text) == (503, True)
    logs = service.run("sh", "-c", f"stat -c '%U:%G %a' /var/log/nginx/{slug}.*.log")
    assert set(logs.splitlines()) == {"www-data:adm 640"}


# From here on it is installed.


def restart_nginx(service: Service) -> None:
    """Restart nginx, more often than systemd likes."""
    service.run("systemctl", "reset-failed", "nginx")
    service.run("systemctl", "restart", "nginx")


DEFAULTS = [
    "listen 80 default;",
    "listen\t80\tdefault_server;",
    "listen *:80 default_server; listen [::]:80 default_server;",
    "listen [::]:80 default_server;",
    "listen [::]:80 default_server ipv6only=off;",
]


@pytest.mark.parametrize("listen", DEFAULTS)
def test_a_machine_with_another_default_server_keeps_it(
    listen: str, service: Service
) -> None:
    """In any spelling, for IPv4, IPv6 or both; ours is withdrawn there."""
    site = "/etc/nginx/sites-enabled/another"
    text = f"server {{ {listen} return 200 another; }}\n"
    service.machine.write("/root/another", text)
    service.run("mv", "/root/another", site)
    try:
        if "ipv6only" in listen:  # no other site may then have a socket for IPv4
            service.run("rm", "/etc/nginx/sites-enabled/other")
        result = deploy(service)
        assert result.returncode == 0, result.stdout
        restart_nginx(service)
        unknown = Client("unknown.example", 80, network=service.machine.network)
        if listen.startswith("listen [::]:80 default_server;"):
            assert (
                unknown.raw(b"GET / HTTP/1.1\r\nHost: unknown.example\r\n\r\n") == b""
            )
        else:
            assert unknown.get("/").text == "another"
        assert release_of(service) == "1"
    finally:
        service.run("rm", site)
        with contextlib.suppress(AssertionError):
            service.run(
                "ln", "-s", "../sites-available/other", "/etc/nginx/sites-enabled/other"
            )
        restart_nginx(service)
        service.upgrade()
    check_machine(service)


def test_a_stopped_nginx_is_started(service: Service) -> None:
    """On any machine, and although nothing has changed."""
    service.run("systemctl", "stop", "nginx")
    service.upgrade()
    assert release_of(service) == "1"


def test_settings_that_a_restore_has_closed_are_opened(service: Service) -> None:
    """They come from a machine where the group has another number."""
    settings = f"/etc/{name_of(service)}/settings.cfg"
    service.run("chown", "12345:12345", settings)
    service.run("chmod", "600", settings)
    result = deploy(service)
    assert f"let the service read {settings}" in result.stdout
    assert result.returncode == 0, result.stdout
    service.systemctl("restart")
    assert release_of(service) == "1"


def test_a_machine_without_ipv6_gets_no_address_of_it(service: Service) -> None:
    """The kernel has no such sockets: nginx starts without them."""
    off = "RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK"
    service.run("mkdir", "-p", "/etc/systemd/system/nginx.service.d")
    dropin = "/etc/systemd/system/nginx.service.d/no-ipv6.conf"
    service.machine.write(dropin, f"[Service]\n{off}\n")
    service.run("systemctl", "daemon-reload")
    try:
        service.run(
            *("systemd-run", "--quiet", "--wait", "--pipe", f"--property={off}"),
            *("--working-directory", service.home, "deploy/install"),
        )
        restart_nginx(service)
        assert "[::]" not in service.machine.read(
            f"/etc/nginx/sites-available/{name_of(service)}"
        )
        assert release_of(service) == "1"
    finally:
        service.run("rm", dropin)
        service.run("systemctl", "daemon-reload")
        restart_nginx(service)
    service.upgrade()
    assert release_of(service) == "1"


def test_two_installs_on_a_machine_wait_for_each_other(service: Service) -> None:
    """The second one then finds that there is nothing to do."""
    service.release("2")
    both = "deploy/install >/root/1 2>&1 & deploy/install >/root/2 2>&1; wait $!"
    service.run("sh", "-ec", both)
    said = service.machine.read("/root/1") + service.machine.read("/root/2")
    assert said.count("is there already") == 1
    assert said.count("wait for the other deploy command") == 1
    assert release_of(service) == "2"


def test_an_address_that_another_site_has_is_named_on_any_machine(
    service: Service,
) -> None:
    """That is a fault of nginx: its logs are shown, and the old release stays."""
    service.release("3")
    site = "/etc/nginx/sites-enabled/another"
    service.machine.write("/etc/nginx/another", "server { listen 127.0.0.1:80; }\n")
    service.run("mv", "/etc/nginx/another", site)
    service.run("systemctl", "reload", "nginx")
    before = configuration(service)
    try:
        result = deploy(service)
        assert result.returncode == 1
        assert "does another site of nginx have this name or address?" in result.stdout
        assert "nginx: configuration file" in result.stdout
        assert f"journalctl -u {name_of(service)}" not in result.stdout
        assert configuration(service) == before
    finally:
        service.run("rm", site)
        service.run("systemctl", "reload", "nginx")
    service.upgrade()
    assert release_of(service) == "3"


def test_an_installation_of_the_installer_before_this_is_adopted(
    service: Service,
) -> None:
    """It has set no marks on the machine; nothing else tells the two apart."""
    name = name_of(service)
    enabled = "/etc/nginx/sites-enabled"
    available = f"/etc/nginx/sites-available/{name}-default"
    service.run("rm", f"/srv/{name}/made-by-deploy-install")
    service.run("usermod", "--comment", "", name)
    service.run("rm", "-f", f"{enabled}/default")
    service.run("ln", "-sf", available, f"{enabled}/{name}-default")
    service.release("4")
    service.upgrade()
    assert release_of(service) == "4"
    service.run("deploy/uninstall", "--purge")
    left = service.run("sh", "-c", f"ls -d /srv/{name} /etc/{name} 2>&1", check=False)
    assert left.count("No such file") == 2
    assert "sites-available/default" in service.run("readlink", f"{enabled}/default")
    check_machine(service)


@pytest.mark.parametrize("https", ["no", "yes"])
def test_the_guide_to_a_first_deployment_works_on_a_machine(
    https: str, machines: Callable[..., Service], tmp_path: Path
) -> None:
    """Each command prints what the guide shows, in this order."""
    host = f"first-{https}.example"
    service = machines(project_slug=f"first-{https}", server_name=host, https=https)
    guide = (service.project.path / "docs" / "first-deployment.md").read_text()
    if https == "yes":
        make_certificate(tmp_path, host)
        service.machine.copy(tmp_path, "/root/certificate")
        (own,) = re.findall(r"of your own.*?```sh\n(.*?)```", guide, re.DOTALL)
        service.run("sh", "-ec", f"cd /root/certificate\n{own}")
    (connections,) = re.findall(r"connections\n.*?```sh\n(.*?)```", guide, re.DOTALL)
    service.run("sh", "-ec", connections)
    blocks = re.findall(r"^```console\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    shown = [part for block in blocks for part in re.split(r"(?m)^\$ ", block)[1:]]
    assert len(shown) >= 3
    for part in shown:
        command, *lines = part.splitlines()
        output = iter(service.run("sh", "-ec", command).splitlines())
        for line in lines:  # pip may print more
            assert line in output, f"{command} does not print: {line}"
    service.run("deploy/uninstall", "--purge")


def test_a_machine_behind_a_proxy_with_the_longest_name(
    machines: Callable[..., Service],
) -> None:
    """253 characters; /srv is a symbolic link; the address that is printed is right."""
    host = ".".join(["a" * 62] * 4)[:245] + ".example"
    service = machines(project_slug="long", server_name=host, https="proxy")
    service.run("sh", "-ec", "mkdir /disk; rmdir /srv; ln -s /disk /srv")
    said = deploy(service)
    assert said.returncode == 0, said.stdout
    assert f"releases/1 answers at https://{host}/" in said.stdout
    reply = service.client.get("/trial/echo", X_Forwarded_Proto="https")
    assert f'"https://{host}/trial/echo"' in reply.text
    service.run("deploy/uninstall", "--purge")
