"""The service reaches other services only where its unit allows it."""

import re

import pytest

from .service import Service

pytestmark = pytest.mark.e2e

SERVER = "python3 -m http.server --bind 127.0.0.1 --directory /srv 9999"


def test_it_reaches_tcp_as_the_readme_says_and_not_before(service: Service) -> None:
    """By the block of lines in the unit under version control."""
    slug, machine = service.project.slug, service.machine
    unit = f"{service.home}/deploy/{slug}.service"
    before = machine.read(unit)
    text = (service.project.path / "deploy" / "README.md").read_text()
    [block] = re.findall(r"```ini\n(PrivateNetwork=.*?)```", text, re.DOTALL)
    lines = [line for line in block.splitlines() if "=" in line]
    names = "|".join(line.partition("=")[0] for line in lines)
    changed = re.sub(rf"(?m)^(?:{names})=.*\n", "", before)
    changed = changed.replace("[Service]\n", f"[Service]\n{block}", 1)
    service.run("systemd-run", "--quiet", "--unit=other", *SERVER.split())
    try:
        assert service.client.get("/trial/connect?port=9999").text == "no"
        machine.write(unit, changed)
        service.upgrade()
        assert service.client.get("/trial/connect?port=9999").text == "yes"
        # Still, nothing but nginx connects to the service, and it listens nowhere.
        ports = service.run("ss", "--no-header", "-ltn")
        assert "8000" not in ports
    finally:
        service.run("systemctl", "stop", "other")
        machine.write(unit, before)
        service.upgrade()
    assert service.client.get("/trial/connect?port=9999").text == "no"
