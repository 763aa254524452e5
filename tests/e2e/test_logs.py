"""What the journal shows of a service."""

import contextlib
import json
import re
from collections.abc import Generator
from datetime import datetime
from typing import Any

import pytest

from .service import Service, eventually

pytestmark = pytest.mark.e2e


def entries(service: Service, *arguments: str) -> list[dict[str, Any]]:
    """Return the journal's entries that the service's own processes wrote."""
    slug = service.project.slug
    command = ["journalctl", "--output=json", "--all", f"--unit={slug}.service"]
    output = service.run(*command, f"--identifier={slug}", *arguments)
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def answers(service: Service) -> bool:
    """Return whether the service answers."""
    with contextlib.suppress(OSError):
        return service.client.get("/healthz").status == 200
    return False


@contextlib.contextmanager
def new_entries(service: Service) -> Generator[list[dict[str, Any]]]:
    """Yield a list that holds the new entries after the block."""
    last = json.loads(service.run("journalctl", "--output=json", "--lines=1"))
    found: list[dict[str, Any]] = []
    yield found
    found += entries(service, f"--after-cursor={last['__CURSOR']}")


def test_every_line_of_the_service_is_json(service: Service) -> None:
    """At a reload, a restart, an error, and when processes are killed."""
    with new_entries(service) as found:
        assert service.client.get("/trial/crash").status == 500
        workers = service.run("pgrep", "-P", service.main_pid(), check=False)
        if workers:
            service.run("kill", "-KILL", workers.split()[0])
        eventually(lambda: answers(service))
        service.systemctl("reload")
        eventually(lambda: answers(service))
        service.systemctl("restart")
        eventually(lambda: answers(service))
        service.run("kill", "-KILL", service.main_pid())
        eventually(lambda: answers(service))
        service.upgrade()
    assert found
    for entry in found:
        record = json.loads(entry["MESSAGE"])
        assert datetime.fromisoformat(record["time"]).tzinfo
        is_error = record["level"] in {"ERROR", "CRITICAL"}
        assert (int(entry["PRIORITY"]) <= 3) is is_error, entry


def test_the_journal_shows_errors_by_their_priority(service: Service) -> None:
    """With the ID of the request and the whole traceback in one entry."""
    request = "id-of-the-request-in-the-journal"
    reply = service.client.get("/trial/crash", X_Request_ID=request)
    assert reply.status == 500
    errors = [x["MESSAGE"] for x in entries(service, "--priority=err")]
    (error,) = [text for text in errors if request in text]
    record = json.loads(error)
    assert record["request_id"] == request
    assert re.match(r"Traceback (.*\n)+RuntimeError: a mistake$", record["exc_info"])
