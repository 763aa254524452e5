"""What `deploy/install` and its companions do to a machine."""

import re
import subprocess

import pytest

from .client import Client
from .machine import Machine
from .service import Service

pytestmark = pytest.mark.e2e

# Where services write as they run.
ALIVE = ("/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var/log")  # noqa: S108


def files_of(machine: Machine) -> set[str]:
    """Return all files of a machine, each with its owner, mode, size and time."""
    pruned = " -o ".join(f"-path {path}" for path in ALIVE)
    form = "%p %u:%g %m %y %l"
    command = (
        f"find / -xdev \\( {pruned} \\) -prune -o -type d -printf '{form}\\n' "
        f"-o -printf '{form} %s %T@\\n'"
    )
    lines = machine.run("sh", "-c", command).stdout.splitlines()
    return {line for line in lines if "/var/lib/systemd" not in line}


def test_a_second_install_changes_nothing(service: Service) -> None:
    """And restarts nothing."""
    service.upgrade()
    before, pid = files_of(service.machine), service.main_pid()
    service.upgrade()
    after = files_of(service.machine)
    assert after - before == set()
    assert before - after == set()
    assert service.main_pid() == pid


def test_a_dry_run_changes_nothing(service: Service) -> None:
    """Whichever command it is of."""
    before, pid = files_of(service.machine), service.main_pid()
    for command in ("install", "uninstall"):
        assert "==> " in service.run(f"deploy/{command}", "--dry-run")
    assert files_of(service.machine) == before
    assert service.main_pid() == pid


def test_only_the_service_can_read_its_secret(service: Service) -> None:
    """32 random bytes; no other account can read them."""
    slug = service.project.slug
    path = f"/etc/{slug}/settings.cfg"
    owner = service.run("stat", "--format=%U:%G %a", path).strip()
    assert owner == f"root:{slug} 640"
    assert re.search(
        r'^SECRET_KEY = "[0-9a-f]{64}"$', service.machine.read(path), re.MULTILINE
    )
    for user in ("nobody", "www-data"):
        refused = service.run("runuser", "-u", user, "--", "cat", path, check=False)
        assert "Permission denied" in refused
    environment = f"/proc/{service.main_pid()}/environ"
    assert "SECRET" not in service.machine.read(environment)


def test_only_nginx_can_reach_the_socket(service: Service) -> None:
    """It trusts the headers of a request, so that no other client may connect."""
    slug = service.project.slug
    command = ["curl", "--silent", "--show-error", "http://localhost/"]
    command += ["--unix-socket", f"/run/{slug}/{slug}.sock"]
    refused = service.run("runuser", "-u", "nobody", "--", *command, check=False)
    assert "Could not connect" in refused or "Couldn't connect" in refused


def test_nothing_but_nginx_listens(service: Service) -> None:
    """On no address of the machine."""
    command = service.machine.in_network("ss", "--no-header", "-ltunp")
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    lines = result.stdout.splitlines()
    assert lines
    assert [line for line in lines if '(("nginx"' not in line] == []


def test_systemd_has_nothing_to_say_about_the_units(service: Service) -> None:
    """No unknown key, no misplaced one; the sandbox is as tight as promised."""
    slug = service.project.slug
    units = [f"/etc/systemd/system/{slug}.{kind}" for kind in ("service", "socket")]
    assert service.run("systemd-analyze", "verify", "--man=no", *units) == ""
    verdict = service.run(
        *("systemd-analyze", "security", "--no-pager", "--offline=yes"),
        *("--threshold=3", units[0]),
    )
    assert re.search(r"Overall exposure level for .*: 0\.[0-3] SAFE", verdict)


def test_nginx_has_nothing_to_say_about_the_site(service: Service) -> None:
    """No warning."""
    lines = service.run("nginx", "-t").splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("syntax is ok")


def test_a_second_instance_serves_beside_the_first(service: Service) -> None:
    """Made by the commands of the README; removed again, it leaves nothing."""
    machine, slug = service.machine, service.project.slug
    before = files_of(machine)
    (block,) = service.commands("Multiple instances")
    staging = Client("staging.example.net", 80, network=machine.network)
    service.do(block)
    assert staging.get("/").status == 200
    assert service.client.get("/").status == 200
    assert machine.read(f"/etc/{slug}-staging/settings.cfg") != machine.read(
        f"/etc/{slug}/settings.cfg"
    )
    machine.run("deploy/uninstall", cwd=f"{service.home}-staging")
    assert service.client.get("/").status == 200
    assert paths(files_of(machine)) == paths(before)


def paths(files: set[str]) -> set[str]:
    """Return the names of files, but for the copies that tools keep of theirs."""
    names = {line.split(" ")[0] for line in files}
    return {name for name in names if not re.search(r"-$|/__pycache__", name)}


def test_what_the_owner_has_put_there_survives_an_uninstall(service: Service) -> None:
    """Settings that were changed, and data; `deploy/install` takes them up again."""
    slug = service.project.slug
    settings = service.machine.read(f"/etc/{slug}/settings.cfg")
    service.machine.write(f"/etc/{slug}/settings.cfg", f"{settings}# mine\n")
    service.machine.write(f"/var/lib/{slug}/data", "mine")
    service.run("deploy/uninstall")
    try:
        assert service.client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1) is not None
        left = {line.split(" ")[0] for line in files_of(service.machine)}
        left = {path for path in left if re.search(rf"/{slug}\b", path)}
        assert left == {
            f"/etc/{slug}",
            f"/etc/{slug}/settings.cfg",
            f"/var/lib/{slug}",
            f"/var/lib/{slug}/data",
        }
    finally:
        service.upgrade()
    assert service.machine.read(f"/etc/{slug}/settings.cfg").endswith("# mine\n")
    assert service.client.get("/").status == 200


def test_a_one_off_command_runs_as_the_service(service: Service) -> None:
    """With its settings, by the command of the README."""
    (block,) = service.commands("One-off commands")
    assert "/healthz" in service.run("sh", "-ec", block)


def test_a_backup_is_restored(service: Service) -> None:
    """Settings and data, by the commands of the README, whatever numbers ids have."""
    slug = service.project.slug
    backup, restore = service.commands("Backup and restore")
    paths = (f"/var/lib/{slug}/data", f"/etc/{slug}/settings.cfg")
    settings = service.machine.read(paths[1])
    service.machine.write(paths[0], "mine")
    service.do(backup)
    for path in paths:
        service.machine.write(path, "lost")
        service.run("chown", "12345:12345", path)
    service.do(restore)
    assert service.machine.read(paths[0]) == "mine"
    assert service.machine.read(paths[1]) == settings
    assert service.client.get("/").status == 200
    service.run("rm", f"{slug}.tar.gz", paths[0])
