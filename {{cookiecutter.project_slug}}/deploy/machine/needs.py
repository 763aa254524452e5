"""What an installation needs: problems are reported before anything changes."""

import contextlib
import importlib.util
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from .names import ENABLED, NGINX, PLAIN, own
from .nginx import address_of, directives, site_of
from .steps import Step

MEGABYTES = 200  # a release, its packages and what pip unpacks
HIDDEN = ("/home", "/root", "/run/user")  # from the service, by ProtectHome

# What names may be, as in the questions that this project was made from.
SLUG, SLUG_LENGTH = "[a-z][a-z0-9]*(-[a-z0-9]+)*", 30
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = r"(?=.{1,253}$)(" + LABEL + r"\.)*(?![0-9]+$)" + LABEL  # no IP address


def name_problems(name: str, hosts: list[str]) -> Iterator[str]:
    """Yield what is wrong with the name of an instance and its hosts."""
    if not re.fullmatch(SLUG, name) or len(name) > SLUG_LENGTH:
        rule = f"a-z, 0-9, single hyphens, a letter first, up to {SLUG_LENGTH} long"
        yield f"--name: must be {rule}, not {name!a}; use for example staging"
    elif name.endswith("-default"):  # the site of another instance, for other hosts
        yield f"--name: must not end in -default, not {name!a}; use for example staging"
    rule = "must be a host name in lower case, with other letters as punycode"
    for host in hosts:
        if not re.fullmatch(HOST, host):
            yield f"--host: {rule}, not {host!a}; use for example staging.example.net"


def host_problems() -> Iterator[str]:
    """Yield that the hosts of another instance than the first one are not known."""
    if own.name != PLAIN and not own.hosts:
        yield f"--host: must be given for {own.name}; use --host staging.example.net"


def root_problems(step: Step) -> Iterator[str]:
    """Yield that it takes root, unless it is a dry run."""
    if os.geteuid() and not step.dry_run:
        yield "root: run it with sudo"


def requirements() -> Iterator[str]:
    """Yield what this program cannot do without."""
    if not Path("/run/systemd/system").is_dir():
        yield "systemd: must be running"
    if not Path("/run/dbus/system_bus_socket").exists():
        yield "dbus: must be running; apt-get install dbus"
    packages = {"nginx": "nginx-light", "useradd": "passwd", "runuser": "util-linux"}
    for program, package in packages.items():
        if not shutil.which(program):
            yield f"{program}: is missing; apt-get install {package}"
    if shutil.which("nginx") and not ENABLED.is_dir():
        yield f"{ENABLED}: is missing; use the nginx of Debian or Ubuntu"


def python_problems() -> Iterator[str]:
    """Yield why the service could not use this Python."""
    if not importlib.util.find_spec("ensurepip"):
        yield "python3: venv is missing; apt-get install python3-venv"
    python = Path(sys.executable).resolve()
    closed = [
        path
        for path in (python, Path(sys.base_prefix).resolve(), *python.parents)
        if not path.stat().st_mode & stat.S_IXOTH or str(path) in HIDDEN
    ]
    if closed:
        yield (
            f"python3: must be one that the service can reach, not {python}; "
            "use the system's: sudo env PATH=/usr/sbin:/usr/bin deploy/install"
        )


def file_problems(deploy: Path) -> Iterator[str]:
    """Yield what is wrong with files that are needed."""
    for path in sorted(deploy.iterdir()):
        if path.is_file() and b"\r\n" in path.read_bytes():
            yield f"deploy/{path.name}: must have LF line endings, not CRLF"
    site = site_of(deploy)
    for [file] in directives("ssl_certificate(?:_key)?", site):
        if not Path(file).exists():
            yield f"{file}: is missing; see README.md for the certificate"


def disk_problems(*, build: bool) -> Iterator[str]:
    """Yield which disk is full."""
    needed = {own.home: MEGABYTES if build else 1, own.etc: 1, own.data: 1, NGINX: 1}
    for path, megabytes in needed.items():
        place = path if path.exists() else path.parent
        free = shutil.disk_usage(place).free >> 20
        if free < megabytes:
            yield f"{place}: must have {megabytes} MB free, not {free}"


def port_problems(site: str) -> Iterator[str]:
    """Yield which ports of a site other programs have."""
    addresses = [address_of(first) for first, *_ in directives("listen", site)]
    for port in sorted({address[1] for address in addresses if address}):
        if others := programs_on(port) - {"nginx"}:
            names = ", ".join(sorted(others))
            yield f"port {port}: is taken by {names}; stop it, because nginx needs it"


def programs_on(port: int) -> set[str]:
    """Return the programs that listen on a TCP port."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{inode}]")
    programs = set()
    for file in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        with contextlib.suppress(OSError):
            if str(file.readlink()) in sockets:
                programs.add((file.parents[1] / "comm").read_text().strip())
    return programs or ({"another program"} if sockets else set())
