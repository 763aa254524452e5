"""What the people who use a service notice when something happens to it.

The counts are those of the load client, which checks every answer whole. By default
each load is a tenth of the full one; `E2E_FULL=1` runs that, and disturbs it more.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from .client import listen
from .service import Load, Service, eventually, need

pytestmark = pytest.mark.e2e

FULL = bool(os.environ.get("E2E_FULL"))
STEADY: dict[str, Any] = (
    {"gets": 20_000, "posts": 2_000, "seconds": 900}
    if FULL
    else {"gets": 2_000, "posts": 200, "seconds": 120}
)
TIMES = 20 if FULL else 3
THREADS = {"waitress": 8, "uwsgi": 16, "gunicorn": 16}

Figure = Callable[[object], None]


def server_of(service: Service) -> str:
    """Return the name of the server."""
    return str(service.project.answers["wsgi_server"])


def slots(service: Service) -> int:
    """Return how many requests it works on at the same time."""
    return THREADS[server_of(service)]


def first_answer(service: Service, seconds: float = 60) -> float:
    """Return how long it takes until a new request is answered."""

    def answered() -> bool:
        with contextlib.suppress(OSError):
            return service.client.get("/healthz").status == 200
        return False

    return eventually(answered, seconds)


def workers(service: Service) -> list[str]:
    """Return the processes of the service but the main one, as the machine counts."""
    return service.run("pgrep", "--parent", service.main_pid(), check=False).split()


def test_a_restart_loses_no_request(service: Service, figure: Figure) -> None:
    """One after the other, under load."""
    with service.load(**STEADY) as load:
        for _ in range(TIMES):
            service.systemctl("restart")
            time.sleep(1)
    figure(load)
    assert load.report.failed == {}


def test_a_reload_loses_no_request(service: Service, figure: Figure) -> None:
    """One after the other, under load; the main process stays the same."""
    pid = service.main_pid()
    with service.load(**STEADY) as load:
        for _ in range(TIMES):
            service.systemctl("reload")
            time.sleep(4)
    figure(load)
    assert load.report.failed == {}
    assert service.main_pid() == pid


def test_open_streams_do_not_make_a_restart_or_a_reload_lose_requests(
    service: Service, figure: Figure
) -> None:
    """They are closed. uWSGI waits for them, and refuses others: see the guide."""
    if server_of(service) == "uwsgi":
        return
    path = "/stream/events?silence=300"
    with service.load(**STEADY) as load:
        for command in ("restart", "reload") * TIMES:
            with contextlib.ExitStack() as stack:
                for _ in range(3):
                    stream = stack.enter_context(listen(service.client, path))
                    assert stream.status == 200
                service.systemctl(command)
                assert first_answer(service) < 8
            time.sleep(2)
    figure(load)
    assert load.report.failed == {}


def test_impatient_commands_lose_no_request(service: Service, figure: Figure) -> None:
    """Each comes as soon as the one before has returned, which is before it is done."""
    with service.load(**STEADY) as load:
        for command in ("reload", "reload", "restart", "reload", "restart") * TIMES:
            service.systemctl(command)
    figure(load)
    assert load.report.failed == {}
    assert first_answer(service) < 2


def test_reloads_of_nginx_lose_no_request(service: Service, figure: Figure) -> None:
    """Except a POST on a kept connection, which nginx before 1.27.4 closes.

    From then on there is keepalive_min_timeout.
    """
    with service.load(**STEADY) as load:
        for _ in range(TIMES):
            for pause in (0.2, 2):
                service.run("systemctl", "reload", "nginx")
                time.sleep(pause)
    figure(load)
    failed = load.report.failed
    assert set(failed) <= {"POST ClosedError"}
    assert sum(failed.values()) < 10


def test_a_reload_loads_new_settings(service: Service) -> None:
    """Those of the file under /etc."""
    slug = service.project.slug
    path = f"/etc/{slug}/settings.cfg"
    settings = service.machine.read(path)
    try:
        service.machine.write(path, f"{settings}MAX_CONTENT_LENGTH = 10\n")
        service.systemctl("reload")

        def too_large() -> bool:
            reply = service.client.request("POST", "/trial/body/a", b"x" * 11)
            return reply.status == 413

        eventually(too_large)
    finally:
        service.machine.write(path, settings)
        service.systemctl("restart")
    time.sleep(2)  # systemd takes it as started before all of its processes have
    assert not too_large()


def test_a_reload_with_wrong_settings_is_refused(service: Service) -> None:
    """And the service goes on with what it has."""
    path = f"/etc/{service.project.slug}/settings.cfg"
    settings = service.machine.read(path)
    try:
        service.machine.write(path, f"{settings}SECRET_KEY = ''\n")
        refused = service.machine.run(
            "systemctl", "reload", service.project.slug, check=False
        )
        assert refused.returncode != 0
        assert service.client.get("/").status == 200
    finally:
        service.machine.write(path, settings)
    assert "SECRET_KEY" in service.journal("--lines=50")


def test_an_upgrade_and_a_rollback_lose_no_request(
    service: Service, figure: Figure
) -> None:
    """Each under load of its own; afterwards the other release answers."""
    service.release("2")
    with service.load(**STEADY) as load:
        service.upgrade()
        time.sleep(1)
    figure(f"upgrade: {load}")
    assert load.report.failed == {}
    assert load.report.last_release == "2"
    assert set(load.report.releases) == {"1", "2"}

    with service.load(**STEADY) as load:
        service.run("sudo", "deploy/rollback")
        time.sleep(1)
    figure(f"rollback: {load}")
    assert load.report.failed == {}
    assert load.report.last_release == "1"
    service.release("1")


@contextlib.contextmanager
def broken(service: Service, line: str) -> Generator[None]:
    """Bring a release to the machine that does not work."""
    trial = service.project.path / service.project.package / "trial.py"
    code = trial.read_text()
    trial.write_text(f"{code}\n\n{line}\n")
    try:
        service.release("broken")
        yield
    finally:
        trial.write_text(code)
        service.release("1")


FAILS = "bp.before_app_request(lambda: 1 / 0)"
# What the check before the switch cannot see.
LATER = 'if __import__("sys").argv[-1] != "--check": '


@pytest.mark.parametrize(
    "line",
    ["1 / 0", FAILS, f"{LATER}1 / 0", f"{LATER}{FAILS}"],
    ids=["import", "health", "start", "answer"],
)
def test_a_broken_release_is_put_back(
    service: Service, figure: Figure, line: str
) -> None:
    """The one that was there answers all the time, but for what the broken one got."""
    before = service.client.get("/trial/echo")["X-Release"]
    with broken(service, line), service.load(gets=200, posts=20) as load:
        started = time.monotonic()
        result = service.machine.run("deploy/install", check=False, cwd=service.home)
        seconds = time.monotonic() - started
    figure(f"refused after {seconds:.0f} s; {load}")
    assert result.returncode != 0
    assert "NOT installed" in result.stdout
    assert load.report.last_release == before
    assert service.client.get("/trial/echo")["X-Release"] == before
    if LATER not in line:
        assert load.report.failed == {}
    elif FAILS not in line:  # those that have waited for ten seconds get a 503
        assert set(load.report.failed) <= {"GET status 503", "POST status 503"}


def only_cut_off(load: Load) -> bool:
    """Return whether only requests failed that must not be repeated automatically.

    That is a POST, and a GET of which some of the answer had come already.
    """
    return set(load.report.failed) <= {
        "GET ClosedError",
        "GET IncompleteReadError",
        "POST ClosedError",
        "POST IncompleteReadError",
        "POST status 503",
    }


def test_a_killed_worker_loses_only_what_it_was_at(
    service: Service, figure: Figure
) -> None:
    """No GET, and no more POST than it has threads."""
    with service.load(gets=1000, posts=200, seconds=60) as load:
        victims = workers(service) or [service.main_pid()]
        service.run("kill", "-KILL", victims[-1])
        seconds = first_answer(service)
        time.sleep(2)
    figure(f"answers after {seconds:.2f} s; {load}")
    assert only_cut_off(load)
    assert sum(load.report.failed.values()) <= 8
    assert seconds < 4


def test_a_killed_service_loses_only_what_it_was_at(
    service: Service, figure: Figure
) -> None:
    """Back in two seconds, and the time that the application takes to start."""
    with service.load(gets=1000, posts=200, seconds=60) as load:
        service.systemctl("kill", "--signal=KILL")
        seconds = first_answer(service)
        time.sleep(2)
    figure(f"answers after {seconds:.2f} s; {load}")
    assert only_cut_off(load)
    assert sum(load.report.failed.values()) <= slots(service)
    assert seconds < 4


def test_a_stop_lets_requests_finish(service: Service, figure: Figure) -> None:
    """In-flight requests of two seconds."""
    plan: dict[str, Any] = {
        "gets": 0,
        "posts": slots(service),
        "clients": slots(service),
    }
    with service.load(**plan, mean_view=2, longest_view=2) as load:
        started = time.monotonic()
        service.run("systemctl", "stop", f"{service.project.slug}.service")
        seconds = time.monotonic() - started
    service.systemctl("start")
    figure(f"stopped in {seconds:.2f} s; {load}")
    assert load.report.failed == {}
    assert load.report.posts >= slots(service)


def test_a_stopped_service_has_a_page_that_says_so(service: Service) -> None:
    """With the status for that, and static files as before."""
    slug = service.project.slug
    service.run("systemctl", "stop", f"{slug}.socket", f"{slug}.service")
    try:
        page = service.client.get("/", Accept="text/html")
        problem = service.client.get("/", Accept="application/json")
        style = service.client.get("/static/style.css")
    finally:
        service.run("systemctl", "start", f"{slug}.socket", f"{slug}.service")
    assert page.status == problem.status == 503
    assert page["Retry-After"]
    assert page["Content-Security-Policy"]
    assert "<h1>" in page.text
    assert problem["Content-Type"] == "application/problem+json"
    assert style.status == 200
    assert service.client.get("/").status == 200


def test_the_service_is_there_after_a_reboot(service: Service, figure: Figure) -> None:
    """Without anyone's help."""
    started = time.monotonic()
    service.machine.reboot()
    first_answer(service)
    figure(f"answers {time.monotonic() - started:.1f} s after the command to reboot")
    assert service.client.get("/").status == 200


def test_a_full_disk_for_logs_stops_nobody(service: Service, figure: Figure) -> None:
    """Neither nginx nor the journal can write; the requests are answered."""
    machine = service.machine
    full = {"/var/log/nginx": "nginx", "/run/log/journal": "systemd-journald"}
    for path, unit in full.items():
        machine.run("mkdir", "-p", path)
        machine.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path)
        machine.run("dd", "if=/dev/zero", f"of={path}/full", "bs=4k", check=False)
        machine.run("systemctl", "restart", unit)
    try:
        with service.load(gets=300, posts=30, seconds=60) as load:
            service.systemctl("restart")
    finally:
        for path, unit in full.items():
            machine.run("umount", "--lazy", path)
            machine.run("systemctl", "restart", unit)
    figure(load)
    assert load.report.failed == {}
    assert first_answer(service) < 5


def test_slow_clients_do_not_delay_others(service: Service, figure: Figure) -> None:
    """500 that send a byte a second: others wait at most twice as long."""
    plan: dict[str, Any] = {"gets": 400, "posts": 40, "clients": 4, "mean_view": 0.05}
    with service.load(**plan, longest_view=0.1) as alone:
        pass
    with service.load(**plan, longest_view=0.1, slow=500) as crowded:
        pass
    for load in (alone, crowded):
        figure(f"median {load.report.median:.3f} s, {load}")
    assert crowded.report.failed == {}
    assert crowded.report.median < 2 * alone.report.median
    assert crowded.report.longest < 2 * alone.report.longest + 0.2


def test_a_burst_of_connections_is_answered(service: Service, figure: Figure) -> None:
    """A thousand at the same time: none ends without an answer."""
    plan: dict[str, Any] = {
        "gets": 1000,
        "clients": 1000,
        "mean_view": 0,
        "seconds": 60,
    }
    with service.load(hold=False, **plan) as load:
        pass
    figure(load)
    # More than may wait are told so: a clean answer at once.
    assert set(load.report.failed) <= {"GET status 503"}
    assert first_answer(service) < 1


def test_an_overload_is_refused_in_part_and_soon_over(
    service: Service, figure: Figure
) -> None:
    """400 clients of one second: what can be done is done, the others are told 503."""
    seconds = 30 if FULL else 15
    plan: dict[str, Any] = {
        "gets": 10_000,
        "clients": 400,
        "seconds": seconds,
        "pause": 1,
    }
    with service.load(hold=False, **plan, mean_view=1, longest_view=1) as load:
        pass
    started = time.monotonic()
    eventually(lambda: quick(service), 60)
    recovery = time.monotonic() - started
    capacity = slots(service) * load.report.seconds
    figure(
        f"{load.report.gets / capacity:.0%} of the capacity, "
        f"answers at once {recovery:.1f} s after it; {load}"
    )
    assert load.report.gets > 0.8 * capacity
    assert set(load.report.failed) <= {"GET status 503"}
    assert recovery < 10


def quick(service: Service) -> bool:
    """Return whether a request is answered at once."""
    started = time.monotonic()
    status = service.client.get("/healthz").status
    return status == 200 and time.monotonic() - started < 0.5


def test_a_hanging_view_holds_up_nobody_else(service: Service, figure: Figure) -> None:
    """Its client is told so in the end; all others are answered as always."""
    statuses: list[int] = []

    def hang() -> None:
        statuses.append(service.client.get("/trial/body/a?delay=600").status)

    threads = [threading.Thread(target=hang) for _ in range(3)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    with service.load(gets=500, posts=50, seconds=60) as load:
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - started
    figure(f"told {set(statuses)} after {seconds:.0f} s; {load}")
    service.systemctl("kill", "--signal=KILL")  # a stop would wait for the views
    first_answer(service)
    assert set(statuses) <= {503, 504}
    assert load.report.failed == {}


MEMORY = Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def memory_limit(service: Service) -> Generator[Callable[[], int]]:
    """Know how many processes its limit has ended; set one where the unit cannot."""
    slug = service.project.slug
    group = f"/sys/fs/cgroup/system.slice/{slug}.service"
    if service.run("cat", f"{group}/memory.max", check=False).strip().isdigit():
        yield lambda: killed(service.machine.read(f"{group}/memory.events"))
        return
    need([] if (MEMORY / "tasks").exists() else ["a memory controller"])
    ours = MEMORY / f"e2e-{os.getpid()}"
    ours.mkdir()
    try:
        (ours / "memory.limit_in_bytes").write_text("400M")
        for process in Path("/proc").glob("[0-9]*"):
            if belongs(process, service):
                (ours / "cgroup.procs").write_text(process.name)
        yield lambda: killed((ours / "memory.oom_control").read_text())
    finally:
        service.systemctl("kill", "--signal=KILL")
        eventually(lambda: not (ours / "cgroup.procs").read_text())
        ours.rmdir()


def killed(text: str) -> int:
    """Return the number of processes that a memory limit has ended."""
    return int(text.split("oom_kill ")[1].split(maxsplit=1)[0])


def belongs(process: Path, service: Service) -> bool:
    """Return whether a process, as seen from outside, is the service's."""
    with contextlib.suppress(OSError):
        machine = Path(f"/proc/{service.machine.leader}/ns/pid").readlink()
        if (process / "ns" / "pid").readlink() == machine:
            return f"/srv/{service.project.slug}/" in (process / "cmdline").read_text()
    return False


def test_a_leaking_view_costs_one_process(service: Service, figure: Figure) -> None:
    """The kernel ends it at its limit; nginx retries with another process."""
    calls = 12
    with memory_limit(service) as ended:
        replies = [
            service.client.get("/trial/leak?megabytes=100").status for _ in range(calls)
        ]
        figure(f"{calls} calls of 100 MB: {ended()} processes ended, all answered")
        assert ended() > 0
    first_answer(service)
    assert set(replies) == {200}
