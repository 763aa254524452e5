"""Whether a release would start, and whether it answers through nginx."""

import contextlib
import http.client
import re
import socket
import ssl
import time
from pathlib import Path

from .commands import run, signals
from .files import State
from .messages import DeployError, NginxError, ServiceError, say
from .names import own
from .nginx import Address, names_of, scheme_of, targets_of
from .releases import RELEASE_FILE, name_release
from .sites import has_ipv6
from .steps import undone_by
from .units import command_of, drop_ins, sandbox, settings_file, unit_of

SECONDS = 20  # how long a release may take from its start to its first answer


def check_release(release: Path, hosts: State) -> str | None:
    """Have a release check itself and its settings, as the service would start.

    Args:
        release: The release.
        hosts: The drop-in with the hosts of the instance.

    Returns:
        Its largest body as nginx writes it; None if an old release does not say it.

    Raises:
        DeployError: It would not start.

    """
    deploy = release / "deploy"
    options = sandbox(unit_of(deploy) + drop_ins(**{own.hosts_file.name: hosts}))
    command: list[str | Path] = ["systemd-run", f"--unit={own.check}", "--pipe"]
    command += [*options, release / "bin" / command_of(deploy)]
    command += ["--settings", settings_file(deploy), "--check"]
    with undone_by(stop_check):
        stop_check()  # of a run that was killed here
        result = run(*command, check=False)
    say(result.stdout.rstrip())
    if result.returncode:
        message = f"releases/{release.name} would not start: see above"
        raise DeployError(message)
    return largest_body(result.stdout)


def stop_check() -> None:
    """End the check, if it runs: systemd-run leaves it behind when it ends itself."""
    run("systemctl", "stop", own.check, check=False)


def largest_body(said: str) -> str | None:
    """Return the largest body in what a check has said, as nginx writes it."""
    found = re.search(r"would start \(MAX_CONTENT_LENGTH: (\d+|None)\)", said)
    if not found:
        return None
    number = int(found[1].replace("None", "0"))  # 0: without a limit
    mebibytes, rest = divmod(number, 1 << 20)
    return str(number) if rest or not number else f"{mebibytes}m"


def get(target: tuple[Address, bool], host: str, path: str) -> tuple[int, str]:
    """Return status and body of a page of nginx on this machine."""
    address, tls = target
    connection = http.client.HTTPConnection(host)
    connection.sock = socket.create_connection(address, SECONDS)
    with contextlib.closing(connection):
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False  # it may be signed by whomever users trust
            context.verify_mode = ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        # Taken from a proxy only; without one, nginx sets it itself.
        headers = {"Host": host, "X-Forwarded-Proto": "https"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")


def health_problem(
    site: str, target: tuple[Address, bool], host: str, token: str
) -> DeployError | None:
    """Ask for what only this release has, and for its health."""
    where = f"{scheme_of(site)}://{host} (at {target[0][0]}, port {target[0][1]})"
    path = f"/static/{RELEASE_FILE}"
    try:
        status, body = get(target, host, path)
        if body != token:
            return NginxError(
                f"{where}: {path} is answered with status {status} and not by this "
                "release; does another site of nginx have this name or address?"
            )
    except (OSError, http.client.HTTPException) as error:
        return NginxError(f"{where}: no answer: {str(error) or type(error).__name__}")
    try:
        status, _ = get(target, host, "/healthz")
    except (OSError, http.client.HTTPException) as error:
        return ServiceError(f"{where}: no answer: {str(error) or type(error).__name__}")
    if status != http.HTTPStatus.OK:
        return ServiceError(f"{where}: /healthz is answered with status {status}")
    return None


def check_health(site: str, release: Path) -> None:
    """Ask nginx for a release by each name, over IPv4 and IPv6.

    Args:
        site: The nginx site that serves it.
        release: The release.

    Raises:
        DeployError: It has not answered in time.

    """
    token = name_release(release)
    targets = targets_of(site)
    if not has_ipv6("::1"):
        targets = [target for target in targets if ":" not in target[0][0]]
    deadline = time.monotonic() + SECONDS
    for host in names_of(site):
        for target in targets:
            while problem := health_problem(site, target, host, token):
                if time.monotonic() > deadline:
                    raise problem
                time.sleep(0.2)
                signals.check()
