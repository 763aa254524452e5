"""What `deploy/install` and its companions do to a machine."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .client import Client
from .machine import Machine
from .service import Service, eventually

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
    """From the same checkout; each is upgraded and removed without the other."""
    machine, slug = service.machine, service.project.slug
    before = files_of(machine)
    install, uninstall = service.commands("Multiple instances")
    staging = Client("staging.example.net", 80, network=machine.network)
    refused = service.run("deploy/install", "--name", f"{slug}-staging", check=False)
    assert f"{slug}-staging: --host: must be given for {slug}-staging; " in refused
    (command,) = install.splitlines()
    planned = service.run("sh", "-ec", f"{command} --dry-run")
    assert "install the nginx site for staging.example.net" in planned
    pid = service.main_pid()
    service.do(install)
    for client in (staging, service.client):
        reply = client.get("/trial/echo")
        assert reply.status == 200
        assert f'"host":"{client.host}"' in reply.text.replace(" ", "")
    secrets = {
        machine.read(f"/etc/{x}/settings.cfg") for x in (slug, f"{slug}-staging")
    }
    assert len(secrets) == 2
    assert service.main_pid() == pid
    release = staging.get("/trial/echo")["X-Release"]

    # The second one is upgraded, and remembers its host; then the first one.
    service.release("instance")
    service.run("deploy/install", "--name", f"{slug}-staging")
    assert staging.get("/trial/echo")["X-Release"] == "instance"
    assert service.client.get("/trial/echo")["X-Release"] == release
    assert service.main_pid() == pid
    service.run("deploy/rollback", "--name", f"{slug}-staging")
    assert staging.get("/trial/echo")["X-Release"] == release
    service.run("deploy/install", f"--name={slug}-staging", "--host=other.example.net")
    assert staging.raw(b"GET / HTTP/1.1\r\nHost: staging.example.net\r\n\r\n") == b""
    other = Client("other.example.net", 80, network=machine.network)
    assert other.get("/trial/echo")["X-Release"] == "instance"
    service.run("deploy/uninstall", "--dry-run", "--name", f"{slug}-staging")
    service.do(uninstall)
    assert service.client.get("/trial/echo")["X-Release"] == release
    assert service.main_pid() == pid
    service.release(release)
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
    """With its settings and in its sandbox, by the commands of the README."""
    (block,) = service.commands("Commands")
    assert "/healthz" in service.run("sh", "-ec", block.partition("\n")[0])
    slug = service.project.slug
    command = f"{slug}-flask"
    shown = service.run(command, "config")
    assert f"/etc/{slug}/settings.cfg" in shown
    script = """from pathlib import Path
Path("made").touch()
print("user", os.getuid(), "$HOME", os.access("/etc", os.W_OK), os.access("/home", 4))
sys.exit(7)
"""
    shell = f'printf "import os, sys; %s" "$1" | {command} shell || echo "status $?"'
    said = service.run("sh", "-ec", shell, "sh", script)
    uid = service.run("id", "-u", slug).strip()
    assert f"user {uid} $HOME False False" in said
    assert "status 7" in said
    found = service.run("stat", "-c", "%u %a", f"/var/lib/{slug}/made").split()
    assert found == [uid, "600"]
    service.run("rm", f"/var/lib/{slug}/made")
    failed = service.machine.run(command, "no-such-command", check=False)
    assert failed.returncode == 2
    assert "No such command" in failed.stdout
    refused = service.machine.run(
        "runuser", "-u", "nobody", "--", command, "routes", check=False
    )
    assert refused.stdout == f"{slug}: root: run it with sudo\n"
    assert refused.returncode == 1


def test_a_timer_runs_a_command(service: Service) -> None:
    """By the files and commands of the README; it fails if the command does."""
    name, slug = f"{service.project.slug}-cleanup", service.project.slug
    text = service.section("Scheduled jobs")
    units = re.findall(r"```ini\n# (\S+)\n(.*?)```", text, re.DOTALL)
    assert [Path(path).name for path, _ in units] == [
        f"{name}.service",
        f"{name}.timer",
    ]
    for path, unit in units:
        soon = unit.replace(
            "OnCalendar=daily", "OnActiveSec=1\nAccuracySec=1s"
        ).replace(f"{slug}-flask cleanup", f"{slug}-flask trial init-db")
        assert soon != unit
        service.machine.write(path, soon)
    start, log, remove = service.commands("Scheduled jobs")
    file = f"/var/lib/{slug}/trial.sqlite"
    try:
        service.run("sh", "-ec", start)
        eventually(lambda: f"made {file}" in service.run("sh", "-ec", log))
        assert service.run("stat", "-c", "%U", file) == f"{slug}\n"
        # A start joins a run that has not ended.
        state = ("systemctl", "is-active", f"{name}.service")
        eventually(
            lambda: service.machine.run(*state, check=False).stdout == "inactive\n"
        )
        # The table is there already.
        again = service.machine.run(
            "systemctl", "start", f"{name}.service", check=False
        )
        assert again.returncode == 1
        assert "OperationalError" in service.run("sh", "-ec", log)
        assert f"{name}.service" in service.run("systemctl", "--failed")
    finally:
        service.run("rm", "-f", file)
        service.run("sh", "-ec", remove)
        service.run("systemctl", "reset-failed")


def test_a_command_has_a_terminal_if_there_is_one(service: Service) -> None:
    """`flask shell` shows its prompt, and does what is typed."""
    command = f"{service.project.slug}-flask shell"
    typed = "print(6 * 7, app.instance_path)\nexit()\n"
    # What is typed before the terminal is set up is lost.
    shell = '(sleep 5; printf %s "$2"; sleep 5) | script -qec "$1" /dev/null'
    said = service.run("sh", "-c", shell, "sh", command, typed)
    assert ">>> " in said
    assert f"42 /var/lib/{service.project.slug}" in said


def test_a_release_without_the_command_says_so(service: Service) -> None:
    """After a rollback to one of an older installer."""
    slug = service.project.slug
    installer = f"/srv/{slug}/current/deploy/installer.py"
    service.run("sed", "-i.new", "s/^def flask/def no_flask/", installer)
    try:
        said = service.machine.run(f"{slug}-flask", "routes", check=False)
    finally:
        service.run("mv", f"{installer}.new", installer)
    assert said.stdout == f"{slug}: the current release has no such command\n"
    assert said.returncode == 1
    assert "/healthz" in service.run(f"{slug}-flask", "routes")


def test_a_command_makes_the_database_that_requests_write_to(service: Service) -> None:
    """As `init-db` of Flask's tutorial, in the instance folder."""
    name = service.project.slug
    made = service.run(f"{name}-flask", "trial", "init-db")
    assert f"made /var/lib/{name}/trial.sqlite" in made
    try:
        assert service.client.request("POST", "/trial/posts", b"first").text == "1"
        assert service.client.request("POST", "/trial/posts", b"second").text == "2"
        owner = service.run("stat", "-c", "%U", f"/var/lib/{name}/trial.sqlite")
        assert owner == f"{name}\n"
    finally:
        service.run("rm", f"/var/lib/{name}/trial.sqlite")


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


def test_the_largest_body_has_one_place(service: Service) -> None:
    """The settings of the machine; nginx follows at the next installation."""
    slug, client = service.project.slug, service.client
    settings = f"/etc/{slug}/settings.cfg"
    before = service.machine.read(settings)
    body = b"x" * (20 << 20)
    assert client.request("POST", "/trial/echo", body).status == 413
    service.machine.write(settings, f"{before}MAX_CONTENT_LENGTH = 24 * 1024 * 1024\n")
    try:
        service.systemctl("reload", check=False)
        line = f"MAX_CONTENT_LENGTH (file {settings}): 25165824 has no effect"
        assert line in service.journal("--lines=20")
        assert client.get("/healthz").status == 200
        service.upgrade()
        assert client.request("POST", "/trial/echo", body).status == 200
    finally:
        service.machine.write(settings, before)
        service.upgrade()
    assert client.request("POST", "/trial/echo", body).status == 413
    drop_in = f"/etc/systemd/system/{slug}.service.d/body.conf"
    prefix = service.project.prefix
    service.run("mkdir", "-p", f"/etc/systemd/system/{slug}.service.d")
    text = f"[Service]\nEnvironment={prefix}MAX_CONTENT_LENGTH=25165824\n"
    service.machine.write(drop_in, text)
    try:
        service.run("systemctl", "daemon-reload")
        service.upgrade()
        service.systemctl("restart")
        assert client.request("POST", "/trial/echo", body).status == 200
    finally:
        service.run("rm", drop_in)
        service.run("systemctl", "daemon-reload")
        service.upgrade()
        service.systemctl("restart")
    assert client.request("POST", "/trial/echo", body).status == 413


def test_the_threads_have_one_place(service: Service) -> None:
    """The settings of the machine; the server follows at the next restart."""
    slug, client = service.project.slug, service.client
    settings = f"/etc/{slug}/settings.cfg"
    before = service.machine.read(settings)

    def seconds() -> float:
        """Return how long 16 requests of half a second take."""
        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            paths = [f"/trial/body/{n}?delay=0.5" for n in range(16)]
            answers = list(pool.map(client.get, paths))
        assert {answer.status for answer in answers} == {200}
        return time.monotonic() - began

    try:
        for wrong in ("0", "-1", "'many'", "1000000"):
            service.machine.write(settings, f"{before}THREADS = {wrong}\n")
            service.systemctl("reload", check=False)
            line = f"THREADS (file {settings}): must be an integer from 1 to 100, not "
            assert f"{line}{wrong}" in service.journal("--lines=50")
        service.machine.write(settings, f"{before}THREADS = 1\n")
        service.systemctl("reload")
        if service.project.answers["wsgi_server"] != "waitress":
            assert client.get("/healthz").status == 200
            line = f"THREADS (file {settings}): 1 has no effect until the server is"
            eventually(lambda: line in service.journal("--lines=50"))
            assert seconds() < 3
        service.systemctl("restart")
        assert seconds() > 3.5
    finally:
        service.machine.write(settings, before)
        service.systemctl("restart")
    assert seconds() < 3
