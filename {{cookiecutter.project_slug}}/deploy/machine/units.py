"""The systemd units of a release, their drop-ins, and the command beside them."""

import json
import re
from pathlib import Path

from .commands import run
from .files import State, contains_our_paths, look, read, remove_empty
from .names import UNITS, own

# What the unit says of the process that serves alone, and not of any of the service.
SERVING = re.compile("Exec|Type|Notify|Restart|Timeout|OOMPolicy|Watchdog|Standard")


def unit_of(deploy: Path) -> str:
    """Return the unit of a release, with the name of the instance."""
    # One of an older version may be called by the name of the instance.
    unit = next(deploy.glob("*.socket")).with_suffix(".service")
    return unit.read_text().replace("%p", own.name)


def settings_file(deploy: Path) -> Path:
    """Return the settings file that the unit names."""
    unit = unit_of(deploy)
    return Path(re.findall(r"(?m)^ExecStart=.* --settings (\S+)", unit)[0])


def command_of(deploy: Path) -> str:
    """Return the name of the command that the unit starts."""
    unit = unit_of(deploy)
    return Path(re.findall(r"(?m)^ExecStart=(\S+)", unit)[0]).name


def sandbox(unit: str) -> list[str]:
    """Return the options with which systemd-run runs a command as the service.

    Args:
        unit: The unit of the service, with its drop-ins.

    """
    properties, section = ["RuntimeDirectoryPreserve=yes"], ""
    for line in re.sub(r"\\\n", " ", unit).splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[Service]" and line[:1].isupper() and not SERVING.match(line):
            name, _, value = line.partition("=")
            properties.append(f"{name.strip()}={value.strip()}")
    options = ("--quiet", "--collect", "--wait", "--service-type=exec")
    return [*options, *(f"--property={item}" for item in properties)]


def drop_ins(**changes: State) -> str:
    """Return the text of the drop-ins of the unit.

    Args:
        changes: A state for the name of a file, in place of what is there.

    """
    states = {path.name: look(path) for path in own.hosts_file.parent.glob("*.conf")}
    states |= changes
    texts = [state["text"] for _, state in sorted(states.items()) if state]
    return "\n".join(["", *texts]).replace("%p", own.name)


def recorded_hosts() -> list[str]:
    """Return the hosts that `install` was given for the instance, if it was."""
    lines: list[str] = re.findall(r"(?m)^# Hosts: (.+)", read(own.hosts_file))
    return [host for line in lines for host in line.split()]


def hosts_state(package: str) -> State:
    """Return the drop-in that has the application trust the hosts of the instance.

    Args:
        package: Whose settings it sets.

    Returns:
        The state of `own.hosts_file`: absent without hosts of its own.

    """
    if not own.hosts:
        return None
    trusted = json.dumps([*own.hosts, "localhost", "127.0.0.1", "[::1]"])
    text = "# Made by deploy/install --host. This wins over the settings file.\n"
    text += f"# See /srv/{own.name}/current/deploy/README.md.\n"
    text += f"# Hosts: {' '.join(own.hosts)}\n[Service]\n"
    return {"text": f"{text}Environment='{package.upper()}_TRUSTED_HOSTS={trusted}'\n"}


def command_state() -> State:
    """Return the command that runs `flask` as the service."""
    text = "#!/bin/sh\n# Made by deploy/install: runs `flask` as the service.\n"
    text += f"installer=/srv/{own.name}/current/deploy/installer.py\n"
    text += "if ! grep -q '^def flask' $installer; then  # after a rollback\n"
    text += f'    echo "{own.name}: the current release has no such command" >&2\n'
    text += "    exit 1\nfi\n"
    text += f'exec python3 -I -X utf8 $installer flask --name {own.name} -- "$@"\n'
    return {"text": text}


def restarted(changed: set[Path]) -> list[str]:
    """Return the units to restart; the socket only if it has to be."""
    return [own.socket, own.service] if UNITS / own.socket in changed else [own.service]


def restart(*units: str, verb: str = "restart") -> None:
    """Restart units, however often that was done in the last seconds."""
    run("systemctl", "reset-failed", *units, check=False)
    for unit in units:
        run("systemctl", verb, unit)


def remove_units() -> None:
    """Stop the service, and remove its units and the command."""
    units = (own.socket, own.service)
    run("systemctl", "--quiet", "disable", "--now", *units, check=False)
    for path in (UNITS / own.socket, UNITS / own.service, own.hosts_file, own.command):
        if contains_our_paths(path):
            path.unlink()
    remove_empty(own.hosts_file.parent)
    run("systemctl", "daemon-reload")
    remove_empty(Path("/run", own.name))
