"""What a service with a database keeps, and what its users notice meanwhile."""

import contextlib
import functools
import itertools
import re
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import Bake
from tests.projects import ANSWERS, LAYOUTS, SERVERS

from .client import Client
from .conftest import PIP, once, wheels, with_trial
from .machine import Machine, missing
from .service import Service, eventually, need
from .test_faults import STEADY, Figure
from .test_install import files_of

pytestmark = pytest.mark.e2e

DATABASES: list[str] = ANSWERS["database"][1:]
KINDS = list(itertools.product(SERVERS, DATABASES))

# Each request of the load reads; each POST reads a number and writes the next one.
VIEWS = '''

@bp.before_request
def count() -> None:
    """Read the number of a topic; write the next one."""
    from sqlalchemy import select

    from .database import session
    from .models import Topic

    if "/trial/body" not in request.path:
        return
    query = select(Topic).where(Topic.id == 1).with_for_update(read=False)
    if request.method == "GET":
        session().scalars(select(Topic).where(Topic.id == 1)).all()
        return
    topic = session().scalars(query).one()
    topic.name = str(int(topic.name) + 1)
    session().commit()
'''
MIGRATION = '''"""A column with an index."""

import sqlalchemy as sa
from alembic import op

revision = "{0}"
down_revision = "{1}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("topic") as batch:
        batch.add_column(sa.Column("{2}", sa.String(20), server_default="none"))
    op.create_index("ix_topic_{2}", "topic", ["{2}"])
    {3}


def downgrade() -> None:
    op.drop_index("ix_topic_{2}")
    op.drop_column("topic", "{2}")
'''
COLUMN = """\
    colour: Mapped[str | None] = mapped_column(
        String(20), server_default="none", index=True
    )
"""
# Prints the first row of a query on a file.
SQLITE = """
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())
"""
COLUMNS = {
    "sqlite": "SELECT count(*) FROM pragma_table_info('topic')",
    "postgresql": "SELECT count(*) FROM information_schema.columns "
    "WHERE table_schema = 'public' AND table_name = 'topic'",
}
# Owners of databases, and roles that are superusers.
OWNERS = (
    "SELECT string_agg(datname || ':' || pg_get_userbyid(datdba), ' ') FROM pg_database"
)
# Where the connections of a role come from.
ADDRESSES = "SELECT DISTINCT client_addr FROM pg_stat_activity WHERE usename = '{}'"
SUPERUSERS = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper"


def answers_of(server: str, database: str) -> dict[str, str]:
    """Return the answers from which a service is made: each layout is in one."""
    name = f"{database}-{server}"
    return {
        "project_slug": name,
        "wsgi_server": server,
        "config_layout": LAYOUTS[KINDS.index((server, database)) % len(LAYOUTS)],
        "database": database,
        "server_name": f"{name}.example",
    }


@pytest.fixture(scope="module")
def with_database(
    bake: Bake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Service]]:
    """Return a function that installs the service of a server with a database."""
    directory = tmp_path_factory.mktemp("databases")
    with contextlib.ExitStack() as machines:

        @functools.cache
        def machine(server: str) -> Machine:
            projects = [bake(**answers_of(*kind)) for kind in KINDS]
            binds = {"/wheels": wheels(projects)}
            machine = Machine(directory / f"database-{server}", binds, "postgresql")
            machines.enter_context(machine)
            machine.write("/etc/pip.conf", PIP)
            return machine

        @once
        def install(server: str, database: str) -> Service:
            project = with_trial(bake(**answers_of(server, database)), directory)
            trial = project.path / project.package / "trial.py"
            trial.write_text(trial.read_text() + VIEWS)
            service = Service(project, machine(server))
            service.release("1")
            service.install()
            first = urlencode({"name": "0", "text": "x"})
            assert post(service, first) == 303
            return service

        yield install


def post(service: Service, form: str) -> int:
    """Send the form of the sample page."""
    kind = "application/x-www-form-urlencoded"
    reply = service.client.request("POST", "/topics", form.encode(), Content_Type=kind)
    return reply.status


@pytest.fixture(params=KINDS, ids="-".join)
def service(
    request: pytest.FixtureRequest, with_database: Callable[[str, str], Service]
) -> Service:
    """Return each service, on its machine."""
    need(missing())
    return with_database(*request.param)


def database_of(service: Service) -> str:
    """Return the kind of its database."""
    return str(service.project.answers["database"])


def ask(service: Service, query: str) -> str:
    """Return what a query finds."""
    slug = service.project.slug
    if database_of(service) == "sqlite":
        file = f"/var/lib/{slug}/app.db"
        return service.run("python3", "-c", SQLITE, file, query).strip()
    psql = ("env", "--chdir=/", "psql", "-XAtc", query, slug)
    return service.run("runuser", "-u", "postgres", "--", *psql).strip()


def number(service: Service) -> int:
    """Return the number that the load has counted to."""
    return int(ask(service, "SELECT name FROM topic WHERE id = 1"))


def columns(service: Service) -> int:
    """Return the number of columns of the table."""
    return int(ask(service, COLUMNS[database_of(service)]))


def revision(service: Service) -> str:
    """Return the revision of the database."""
    return ask(service, "SELECT version_num FROM alembic_version")


def backups(service: Service) -> list[str]:
    """Return the paths of its backups."""
    return service.run(
        "sh", "-c", f"ls -d /var/backups/{service.project.slug}/* || :"
    ).split()


on_postgresql = pytest.mark.parametrize(
    "service",
    [kind for kind in KINDS if "postgresql" in kind],
    ids="-".join,
    indirect=True,
)


def not_ready(service: Service) -> float:
    """Return how long `/readyz` takes to say so, with one line in the log."""
    before = service.journal().count("not ready: database")
    begin = time.monotonic()
    assert service.client.get("/readyz").status == 503
    seconds = time.monotonic() - begin
    assert seconds < 3
    lines = service.journal().splitlines()
    (line,) = [line for line in lines if "not ready: database" in line][before:]
    assert "DATABASE_URL (" in line
    return seconds


def test_it_is_installed_in_the_whole_sandbox(service: Service) -> None:
    """The page and `/readyz` answer; role, database or file are the service's own."""
    slug = service.project.slug
    assert '"database":"ok"' in service.client.get("/readyz").text.replace(" ", "")
    assert service.client.get("/topics").status == 200
    if database_of(service) == "sqlite":
        mode = service.run("stat", "--format=%U %a", f"/var/lib/{slug}/app.db").strip()
        assert mode == f"{slug} 600"
    else:
        assert f"{slug}:{slug}" in ask(service, OWNERS).split()
        assert ask(service, SUPERUSERS) == "postgres"
    verdict = service.run(
        *("systemd-analyze", "security", "--no-pager", "--offline=yes"),
        *("--threshold=3", f"/etc/systemd/system/{slug}.service"),
    )
    assert re.search(r"Overall exposure level for .*: 0\.[0-2] SAFE", verdict)
    assert "0001 (head)" in service.run(f"{slug}-flask", "db", "current")
    before = files_of(service.machine)
    output = service.run("deploy/install")
    assert "migrate" not in output
    assert {
        x for x in files_of(service.machine) ^ before if "/var/lib" not in x
    } == set()


def test_concurrent_requests_count_exactly(service: Service, figure: Figure) -> None:
    """Reading a number and writing the next one loses none."""
    before = number(service)
    with service.load(
        hold=False, gets=200, posts=2000, clients=32, mean_view=0
    ) as load:
        pass
    figure(load)
    assert load.report.failed == {}
    assert number(service) - before == load.report.posts == 2000


def migration(service: Service, *words: str) -> Path:
    """Write a migration into the project, and return its path."""
    package = service.project.path / service.project.package
    path = package / "migrations" / "versions" / f"{words[0]}.py"
    path.write_text(MIGRATION.format(*words))
    return path


def test_a_migration_that_fails_changes_nothing(
    service: Service, figure: Figure
) -> None:
    """Neither schema nor data nor the release that serves; it says what has failed."""
    fails = 'op.execute("DELETE FROM note"); op.execute("SELECT missing FROM topic")'
    path = migration(service, "broken", revision(service), "shape", fails)
    before = [columns(service), revision(service)]
    notes = ask(service, "SELECT count(*) FROM note")
    release = service.client.get("/trial/echo")["X-Release"]
    try:
        service.release("broken")
        with service.load(gets=300, posts=30) as load:
            result = service.machine.run(
                "deploy/install", check=False, cwd=service.home
            )
    finally:
        path.unlink()
        service.run("rm", f"{service.project.package}/migrations/versions/broken.py")
        service.release(release)
    figure(load)
    assert result.returncode != 0
    assert "NOT installed" in result.stdout
    assert "the migration has failed; the database is as before" in result.stdout
    assert "missing" in result.stdout
    assert load.report.failed == {}
    assert [columns(service), revision(service)] == before
    assert ask(service, "SELECT count(*) FROM note") == notes
    assert service.client.get("/trial/echo")["X-Release"] == release


def test_an_upgrade_with_a_migration_loses_no_request(
    service: Service, figure: Figure
) -> None:
    """Nor does the rollback, to older code on the newer schema.

    There are two upgrades at once, of which one migrates.
    """
    before = columns(service), number(service)
    models = service.project.path / service.project.package / "models.py"
    text = models.read_text()
    line = "    notes: Mapped"
    models.write_text(text.replace(line, COLUMN + line))
    migration(service, "0002", "0001", "colour", "")
    service.release("2")
    with service.load(**STEADY) as load, ThreadPoolExecutor(2) as threads:
        both = [threads.submit(service.run, "deploy/install") for _ in range(2)]
        output = "".join(future.result() for future in both)
    figure(f"upgrade: {load}")
    assert load.report.failed == {}
    assert load.report.last_release == "2"
    assert output.count("==> migrate the database: 0001 -> 0002") == 1
    assert columns(service) == before[0] + 1
    assert len(backups(service)) >= 1

    with service.load(**STEADY) as again:
        output = service.run("deploy/rollback")
    figure(f"rollback: {again}")
    assert again.report.failed == {}
    assert again.report.last_release == "1"
    assert "is newer than releases/" in output
    assert number(service) - before[1] == load.report.posts + again.report.posts
    service.run("deploy/install")


# A migration that takes long, if it is told so.
SLOW = """
    import os
    from pathlib import Path
    from time import sleep

    while os.path.exists("/var/lib/{0}/slow"):  # which another instance may not see
        Path("/var/lib/{0}/started").touch()
        sleep(0.1)
"""


def test_an_installation_that_ends_while_it_migrates_changes_nothing(
    service: Service,
) -> None:
    """The next one migrates, or waits for the migration that SIGKILL has left."""
    slug = service.project.slug
    slow, started = f"/var/lib/{slug}/slow", f"/var/lib/{slug}/started"
    migration(service, "0003", revision(service), "taste", SLOW.format(slug).strip())
    before = columns(service), revision(service), number(service)
    release = service.client.get("/trial/echo")["X-Release"]
    service.release("3")
    service.run("touch", slow)
    command = "echo $$ >/root/pid; exec deploy/install >/root/output 2>&1"
    with ThreadPoolExecutor(1) as threads:
        try:
            for name in ("TERM", "KILL"):
                service.run("rm", "--force", started)
                result = threads.submit(service.run, "sh", "-c", command, check=False)
                eventually((service.machine.root / started[1:]).exists, 200)
                pid = service.machine.read("/root/pid").strip()
                service.run("kill", f"-{name}", pid)
                result.result(30)
                after = columns(service), revision(service), number(service)
                assert after == before
                assert service.client.get("/readyz").status == 200
                assert service.client.get("/trial/echo")["X-Release"] == release
                if name != "KILL":
                    assert "as before" in service.machine.read("/root/output")
                    unit = f"{slug}.database.service"
                    state = service.run("systemctl", "is-active", unit, check=False)
                    assert state.strip() == "inactive"
        finally:
            service.run("rm", slow)
    service.run("deploy/install")
    assert revision(service) == "0003"
    assert columns(service) == before[0] + 1
    assert number(service) == before[2]
    assert service.client.get("/trial/echo")["X-Release"] == "3"


def test_a_backup_under_load_is_restored(service: Service, figure: Figure) -> None:
    """What was counted before it is there, and what it replaces is kept."""
    before = number(service)
    with service.load(gets=300, posts=300, mean_view=0) as load:
        output = service.run("deploy/backup")
    after = number(service)
    (path,) = re.findall(r"^(/var/backups/\S+): \d+ bytes", output, re.MULTILINE)
    assert service.run("stat", "--format=%U %a", path).strip() == "root 600"
    figure(f"{load}, {before} to {after}")
    refused = service.run("deploy/restore", path, check=False)
    assert "--stop" in refused
    assert number(service) == after

    if database_of(service) == "sqlite":
        file = f"of=/var/lib/{service.project.slug}/app.db"
        noise = ("if=/dev/urandom", "bs=4k", "count=2", "conv=notrunc")
        service.run("dd", *noise, file)
    else:
        ask(service, "DELETE FROM topic RETURNING id")
    output = service.run("deploy/restore", "--stop", path)
    assert before <= number(service) <= after
    assert service.client.get("/readyz").status == 200
    assert service.client.get("/topics").status == 200
    with service.load(hold=False, gets=10, posts=10) as load:
        pass
    assert load.report.failed == {}

    service.run("sh", "-c", f"head -c 3000 {path} >/root/damaged")
    damaged = service.run("deploy/restore", "--stop", "/root/damaged", check=False)
    assert "nothing was changed" in damaged
    assert service.client.get("/readyz").status == 200


def test_old_backups_are_removed(service: Service) -> None:
    """But for some; the nightly one is off until it is switched on."""
    slug = service.project.slug
    for _ in range(3):
        service.run("deploy/backup", "--keep", "2")
    assert len(backups(service)) == 2
    timer = f"{slug}.backup.timer"
    active = ("systemctl", "is-active", timer)
    assert service.run(*active, check=False).strip() == "inactive"
    service.run("deploy/backup", "--nightly", "on")
    assert service.run(*active).strip() == "active"
    newest = backups(service)[-1]
    service.run("systemctl", "start", f"{slug}.backup.service")
    assert backups(service)[-1] > newest
    service.run("deploy/backup", "--nightly", "off")
    assert service.run(*active, check=False).strip() == "inactive"


@on_postgresql
def test_a_server_that_restarts_costs_only_what_was_in_flight(
    service: Service, figure: Figure
) -> None:
    """One that is away costs pages that need it 503; the others answer."""
    with service.load(gets=2000, posts=200, clients=32, pause=0.05) as load:
        for _ in range(2):
            service.run("systemctl", "restart", "postgresql@17-main")
    figure(f"two restarts: {load}")
    failed = sum(load.report.failed.values())
    total = failed + load.report.gets + load.report.posts
    assert failed <= 32 * 2
    assert failed <= total * 0.02

    service.run("systemctl", "stop", "postgresql@17-main")
    try:
        figure(f"down later: {not_ready(service):.1f} s")
        service.systemctl("restart")
        assert service.systemctl("is-active").strip() == "active"
        assert service.client.get("/healthz").status == 200
        assert service.client.get("/").status == 200
        figure(f"down at start: {not_ready(service):.1f} s")
        reply = service.client.get("/topics")
        assert (reply.status, reply["Retry-After"]) == (503, "5")
    finally:
        service.run("systemctl", "start", "postgresql@17-main")
    seconds = eventually(lambda: service.client.get("/topics").status == 200, 10)
    figure(f"answers {seconds:.1f} s after the server is back")


@on_postgresql
def test_a_frozen_server_holds_no_request_for_long(
    service: Service, figure: Figure
) -> None:
    """Threads that wait for it are free again before nginx gives up."""
    pid = service.main_pid()

    def get(path: str) -> tuple[int, float]:
        begin = time.monotonic()
        status = service.client.get(path).status
        return status, time.monotonic() - begin

    def signal(name: str) -> None:
        unit = "postgresql@17-main"
        service.run("systemctl", "kill", "--kill-whom=all", f"--signal={name}", unit)

    lock = "BEGIN; LOCK TABLE topic; SELECT pg_sleep(1.5); COMMIT"
    with ThreadPoolExecutor(5) as threads:
        threads.submit(ask, service, lock)
        time.sleep(0.7)
        waiting = [threads.submit(get, "/topics") for _ in range(4)]
        time.sleep(0.3)
        signal("STOP")
        try:
            first, second = not_ready(service), not_ready(service)
            status, seconds = get("/")
            assert (status, seconds < 1) == (200, True)
            results = [future.result() for future in waiting]
        finally:
            signal("CONT")
    figure(f"not ready in {first:.1f} s, {second:.1f} s; in flight: {results}")
    assert all(status == 503 and seconds < 25 for status, seconds in results)
    eventually(lambda: get("/readyz")[0] == 200, 5)
    with service.load(hold=False, gets=100, posts=100, mean_view=0) as load:
        pass
    assert load.report.failed == {}
    assert service.main_pid() == pid


PASSWORD = "hidden-from-all-others-7"  # noqa: S105 - to search for


@contextlib.contextmanager
def replaced(service: Service, path: str, text: str) -> Generator[None]:
    """Replace the text of a file on the machine for a while."""
    file = service.machine.root / path.lstrip("/")
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def settings_with(service: Service, url: str) -> tuple[str, str]:
    """Return the path of the settings on the machine, and their text with a URL."""
    (path,) = service.run(
        "sh", "-c", f"ls /etc/{service.project.slug}/settings.*"
    ).split()
    prefix = f"{service.project.prefix}" if path.endswith(".env") else ""
    line = f'{prefix}DATABASE_URL = "{url}"\n'.replace(" = ", "=" if prefix else " = ")
    return path, line + service.machine.read(path)


def unit_with_network(service: Service) -> tuple[str, str]:
    """Return the unit of the project, changed as `deploy/README.md` says."""
    section = service.section("A database, or calls to other services")
    (block,) = re.findall(r"^```ini\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    path = f"{service.home}/deploy/{service.project.slug}.service"
    text, last = service.machine.read(path), "[Service]"
    for line in re.findall(r"^\w.*", block, re.MULTILINE):
        name = line.partition("=")[0]
        text, number = re.subn(rf"^{name}=.*", line, text, flags=re.MULTILINE)
        if not number:
            text = text.replace(last, f"{last}\n{line}")
        last = line
    return path, text


@on_postgresql
def test_a_server_over_tcp_needs_the_documented_lines_and_leaks_no_password(
    service: Service,
) -> None:
    """A URL that is wrong is refused before anything is switched."""
    slug = service.project.slug
    release = service.run("readlink", f"/srv/{slug}/current")
    url = f"postgresql+psycopg://{{}}:{PASSWORD}@127.0.0.1/{slug}"
    ask(service, f"ALTER ROLE \"{slug}\" PASSWORD '{PASSWORD}'")
    outputs = []
    for bad, reason in (
        (url.replace("+psycopg", "").format(slug), "must be a URL such as"),
        (f"postgresql+psycopg://nobody:{PASSWORD}@/{slug}", "Peer authentication"),
        (url.format(slug), "open the sandbox for the network"),
    ):
        with replaced(service, *settings_with(service, bad)):
            outputs.append(service.run("deploy/install", check=False))
        named = rf"^.*DATABASE_URL \(file /etc/{slug}/settings.*{reason}.*$"
        assert len(re.findall(named, outputs[-1], re.MULTILINE)) == 1, outputs[-1]
        assert "NOT installed" in outputs[-1]
        assert service.run("readlink", f"/srv/{slug}/current") == release

    with (
        replaced(service, *settings_with(service, url.format(slug))),
        replaced(service, *unit_with_network(service)),
    ):
        outputs.append(service.run("deploy/install"))
        assert service.client.get("/readyz").status == 200
        assert ask(service, ADDRESSES.format(slug)) == "127.0.0.1"
        watch = "while :; do ps axww -o args; sleep 0.02; done >/root/processes & "
        outputs.append(
            service.run(
                "sh",
                "-c",
                f"{watch} deploy/backup; kill $!; grep -c pg_dump /root/processes",
            )
        )
        outputs.append(service.run(f"{slug}-flask", "config"))
        assert "***@127.0.0.1" in outputs[-1]
        ask(service, f"ALTER ROLE \"{slug}\" PASSWORD 'another'")
        service.systemctl("restart")
        not_ready(service)
        assert service.client.get("/topics").status == 503
        outputs.append(service.systemctl("status", "--full", check=False))
        outputs.append(service.systemctl("show"))
    service.run("deploy/install")
    assert service.client.get("/readyz").status == 200
    outputs.append(service.machine.read("/root/processes"))
    assert "pg_dump" in outputs[-1]
    # Not all of the journal: it has the command of this test that sets the password.
    outputs.append(service.journal("--output=verbose", f"--unit={slug}.database"))
    outputs.append(service.run("sh", "-c", "cat /var/log/nginx/*"))
    assert "password authentication failed" in outputs[-2]
    assert [number for number, x in enumerate(outputs) if PASSWORD in x] == []


def test_an_instance_has_a_database_of_its_own(service: Service) -> None:
    """Without a further setting."""
    name = f"{service.project.slug[:20]}-2"
    before = number(service)
    host = f"{name}.example"
    service.run("deploy/install", "--name", name, "--host", host)
    try:
        client = Client(host, 80, network=service.machine.network)
        assert client.get("/readyz").status == 200
        page = client.get("/topics")
        assert (page.status, "<strong>" in page.text) == (200, False)
        service.run("deploy/backup", "--name", name)
    finally:
        output = service.run("deploy/uninstall", "--name", name, "--purge")
    assert number(service) == before
    if database_of(service) == "sqlite":
        assert "which stays" in output
    else:
        assert f"dropdb {name}" in output
        assert f"{name}:{name}" in ask(service, OWNERS).split()
    assert service.run("ls", f"/var/backups/{name}").split()


def test_a_removal_keeps_the_database(service: Service) -> None:
    """And so does the next installation."""
    before, slug = number(service), service.project.slug
    release = service.client.get("/trial/echo")["X-Release"]
    assert "==> " in service.run("deploy/uninstall", "--dry-run")
    service.run("deploy/backup", "--nightly", "on")
    service.run("deploy/uninstall")
    assert not service.run("sh", "-c", f"ls /etc/systemd/system | grep '^{slug}' || :")
    assert number(service) == before
    service.run("deploy/install")
    assert number(service) == before
    assert service.client.get("/trial/echo")["X-Release"] == release
