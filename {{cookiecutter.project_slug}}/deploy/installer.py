"""Install, upgrade, roll back or remove the service on this machine.

`deploy/install`, `deploy/rollback` and `deploy/uninstall` run this file as root, and so
does the command NAME-flask that it installs. Paths and ports come from the other files
here: the units and the nginx site. Everything is called by the name of the instance,
which is that of the unit here unless --name says another one.

A release in /srv/NAME/releases is complete when its `checksum` exists, which is written
last. Before anything that serves is changed, the state of all of it is saved in
/srv/NAME/undo.json, which is removed when the new release has answered. A failure or a
signal restores that state at once; after SIGKILL or a power cut, the next run does.
"""

import argparse
import contextlib
import fcntl
import grp
import hashlib
import http.client
import importlib.util
import json
import os
import platform
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent
UNITS = Path("/etc/systemd/system")
NGINX = Path("/etc/nginx")
AVAILABLE, ENABLED = NGINX / "sites-available", NGINX / "sites-enabled"
LOGS = Path("/var/log/nginx")

# Only what this program has made is changed or removed. It is marked: the account has
# this comment, /srv/NAME this file, units and sites have these paths, and the group of
# /etc/NAME and the owner of /var/lib/NAME are those of the account.
COMMENT = "made by deploy/install"
MARKED = {"text": "deploy/uninstall removes this directory.\n"}
MARK = "made-by-deploy-install"

MEGABYTES = 200  # a release, its packages and what pip unpacks
SECONDS = 20  # how long a release may take from its start to its first answer
RELEASE_FILE = "installed-release.txt"  # in /static/, from nginx: names the release
LONG = 46  # characters of a host name that nginx's default hash can take
HIDDEN = ("/home", "/root", "/run/user")  # from the service, by ProtectHome

Result = TypeVar("Result")
State = dict[str, str] | None  # of a path: absent, a link or a file
Address = tuple[str, int]


# What the unit says of the process that serves alone, and not of any of the service.
SERVING = re.compile("Exec|Type|Notify|Restart|Timeout|OOMPolicy|Watchdog|Standard")


class Names:
    """What is called by the name of the instance, and the hosts that it is to serve."""

    def __init__(self, name: str) -> None:
        """Take the name."""
        self.hosts: list[str] = []  # none: those of the release
        self.use(name)

    def use(self, name: str) -> None:
        """Take another name."""
        self.name = name
        self.service, self.socket = f"{name}.service", f"{name}.socket"
        self.hosts_file = UNITS / f"{self.service}.d" / "hosts.conf"
        self.check = f"{name}.check.service"
        self.command = Path("/usr/local/bin", f"{name}-flask")
        self.home = Path("/srv", name)
        self.mark, self.undo = self.home / MARK, self.home / "undo.json"
        self.releases = self.home / "releases"
        self.current, self.previous = self.home / "current", self.home / "previous"
        self.etc, self.data = Path("/etc", name), Path("/var/lib", name)
        self.trial = Path("/run", f"{name}.nginx")
        self.paths = (
            *("/srv/%p/current/", "/run/%p/%p.sock"),  # in a unit of this name
            *(f"/srv/{name}/current/", f"/run/{name}/{name}.sock", f"/{name}-default"),
        )


PLAIN = next(HERE.glob("*.socket")).stem  # the name of the instance without --name
own = Names(PLAIN)

# What names may be, as in the questions that this project was made from.
SLUG, SLUG_LENGTH = "[a-z][a-z0-9]*(-[a-z0-9]+)*", 30
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = r"(?=.{1,253}$)(" + LABEL + r"\.)*(?![0-9]+$)" + LABEL  # no IP address


class DeployError(Exception):
    """A problem for the user to read; several are one a line."""


class NginxError(DeployError):
    """nginx does not start, or does not serve this release."""


class ServiceError(DeployError):
    """The release does not start, or does not answer."""


class Interrupted(DeployError):  # noqa: N818 - it is no error
    """A signal to stop."""


# --- Commands and signals ----------------------------------------------------------


class Signals:
    """End the running command on SIGINT, SIGTERM and SIGHUP, and then this program.

    The exception is raised between two steps, and never while a state is restored.
    """

    received = 0
    ignored = False
    child: subprocess.Popen[str] | None = None

    def catch(self) -> None:
        """Handle the signals, unless they are ignored already (nohup)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _: self.receive(number))

    def receive(self, number: int) -> None:
        """Note a signal, and pass it on."""
        self.received = number
        if self.child and not self.ignored:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGTERM)

    def check(self) -> None:
        """Raise an exception if there was a signal.

        Raises:
            Interrupted: There was one, and it is not ignored.

        """
        if self.received and not self.ignored:
            raise Interrupted


signals = Signals()


def run(
    *command: str | Path,
    check: bool = True,
    show: bool = False,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command.

    Args:
        command: The program and its arguments.
        check: Raise an exception when it fails.
        show: Leave its output to the terminal; by default it is returned.
        env: Its environment; by default, nothing of ours but PATH.

    Raises:
        DeployError: It has failed, with its output.

    """
    signals.check()
    with subprocess.Popen(
        command,
        cwd="/",
        env=env or {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # Ctrl-C must not reach a command that restores something
        pass_fds=lock_files,  # the lock holds as long as a command runs that we left
    ) as child:
        signals.child = child
        if signals.received:
            signals.receive(signals.received)
        output, _ = child.communicate()
    signals.child = None
    signals.check()
    if check and child.returncode:
        words = " ".join(map(str, command))
        message = f"exit status {child.returncode} of: {words}\n{output or ''}".rstrip()
        raise DeployError(message)
    return subprocess.CompletedProcess(command, child.returncode, output or "")


def is_active(unit: str) -> bool:
    """Tell whether a unit is running."""
    state = run("systemctl", "--quiet", "is-active", unit, check=False)
    return state.returncode == 0


def say(text: str, *, error: bool = False) -> None:
    """Print a line; a terminal that is gone stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr if error else sys.stdout, flush=True)


def complain(text: str) -> None:
    """Print each line of a problem as one of this service."""
    for line in text.splitlines():
        say(f"{own.name}: {line}", error=True)


lock_files: list[int] = []


@contextlib.contextmanager
def locked() -> Generator[None]:
    """Wait until no other deploy command of this service runs."""
    with Path(f"/run/{own.name}.deploy").open("w") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    say("==> wait for the other deploy command")
                waiting = True
                time.sleep(0.2)
                signals.check()
        lock_files[:] = [lock.fileno()]
        yield


# --- Files that change at once, and back -------------------------------------------


def look(path: Path) -> State:
    """Return the state of a path."""
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if path.exists():
        return {"text": path.read_bytes().decode("utf-8", "surrogateescape")}
    return None


def put(path: Path, state: State) -> bool:
    """Give a path a state, in one instant; return whether that has changed it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of a run that was killed here
    if look(path) == state:
        return False
    if state is None:
        path.unlink()
        return True
    if "link" in state:
        new.symlink_to(state["link"])
    else:
        new.write_bytes(state["text"].encode("utf-8", "surrogateescape"))
        new.chmod(0o755 if state["text"].startswith("#!") else 0o644)
    new.replace(path)
    return True


def remove_empty(directory: Path) -> None:
    """Remove a directory if nothing is in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def make_directory(path: Path, mode: int, user: str | int, group: str | int) -> None:
    """Make a directory that has owner, mode and mark from its first instant on."""
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed here
    new.mkdir()
    new.chmod(mode)
    shutil.chown(new, user, group)
    if path == own.home:
        put(new / MARK, MARKED)
    new.rename(path)


# --- The nginx site, as this machine can serve it ----------------------------------


def directives(name: str, config: str) -> list[list[str]]:
    """Return the arguments of each directive of a name in an nginx configuration."""
    config = re.sub(r"(?m)(^|\s)#.*", r"\1", config)
    found = re.findall(r"(?:^|(?<=[\s;{}]))" + name + r"\s+([^;{}]+);", config)
    return [arguments.split() for arguments in found]


def address_of(argument: str) -> Address | None:
    """Return host and port in an argument of `listen`; None for a Unix socket."""
    if argument.startswith("unix:"):
        return None
    match = re.fullmatch(r"(?:(.+):)?(\d+)", argument)
    host, port = match.groups() if match else (argument, "80")
    host = (host or "*").strip("[]")
    return "*" if host == "0.0.0.0" else host, int(port)  # noqa: S104


@dataclass(frozen=True)
class Host:
    """What a site has to be adapted to."""

    ipv6: bool = True
    http2_directive: bool = True  # nginx 1.25.1 or newer
    defaults: frozenset[Address | None] = frozenset()  # that have a default server
    dual: frozenset[int] = frozenset()  # ports of `listen [::]:… ipv6only=off`

    def adapt(self, site: str) -> str:
        """Return a site without the lines that this machine would not accept."""
        lines = [self.adapt_line(line) for line in site.splitlines(keepends=True)]
        return "".join(lines)

    def adapt_line(self, line: str) -> str:
        """Return a line of the site; nothing if it is not for this machine."""
        if not self.http2_directive and line.strip() == "http2 on;":
            return ""
        for first, *others in directives("listen", line):
            address = address_of(first)
            host, port = address or ("", 0)
            if (
                (":" in host and not self.ipv6)
                or (host == "*" and port in self.dual)
                or ("default_server" in others and address in self.defaults)
            ):
                return ""
            if not self.http2_directive and "ssl" in others:
                return line.replace(";", " http2;")
        return line


def others_of(dump: str, **abilities: bool) -> Host:
    """Return what to adapt to, from the other sites as `nginx -T` prints them."""
    found = [(address_of(first), rest) for first, *rest in directives("listen", dump)]
    return Host(
        **abilities,
        defaults=frozenset(
            address
            for address, rest in found
            if not {"default", "default_server"}.isdisjoint(rest)
        ),
        dual=frozenset(
            address[1] for address, rest in found if address and "ipv6only=off" in rest
        ),
    )


# What stands before the name of the instance in nginx files; elsewhere it is a word.
BEFORE_NAME = (
    "/srv/|/etc/|/sites-available/|/log/nginx/|access[.]log |shared:|"
    r"_pass (?:http://)?|\b(?:upstream |log_format |zone[ =])"
)


def site_of(deploy: Path, file: str = "nginx.conf") -> str:
    """Return a file of nginx with the name and the hosts of the instance."""
    site = (deploy / file).read_text()
    if own.name != PLAIN:
        maps = (deploy / "nginx.conf").read_text()
        old, new = (name.replace("-", "_") for name in (PLAIN, own.name))
        for variable in re.findall(rf"(?m)^(?:map|geo) .*\${old}(_\w+)", maps):
            site = re.sub(rf"\${old}{variable}\b", f"${new}{variable}", site)
        site = site.replace(f"/run/{PLAIN}/{PLAIN}.", f"/run/{own.name}/{own.name}.")
        name = rf"{PLAIN}(?![a-z0-9_]|-(?!default\b|tls\b))"
        site = re.sub(rf"({BEFORE_NAME}){name}", rf"\g<1>{own.name}", site)
    if own.hosts:
        # A long one is a regular expression: see server_name of nginx.
        names = " ".join(
            name if len(name) <= LONG else f"~^{name.replace('.', '[.]')}$"
            for name in own.hosts
        )
        site = re.sub(r"(?m)^( *server_name) (?!_;).+;", rf"\1 {names};", site)
    return site


def names_of(site: str) -> list[str]:
    """Return names that a site serves; long ones are regular expressions in it."""
    names = [name for line in directives("server_name", site) for name in line]
    plain = [re.sub(r"^\*?\.", "www.", re.sub(r"[]~^$[]", "", name)) for name in names]
    return list(dict.fromkeys(plain))


def scheme_of(site: str) -> str:
    """Return the scheme of the addresses that users open."""
    tls = any("ssl" in rest for rest in directives("listen", site))
    return "https" if tls or "$http_x_forwarded_proto" in site else "http"


def targets_of(site: str) -> list[tuple[Address, bool]]:
    """Return where a site can be reached from this machine, and whether by TLS."""
    found = [
        (address_of(first), "ssl" in rest)
        for first, *rest in directives("listen", site)
    ]
    tls = any(tls for _, tls in found)
    local = {"*": "127.0.0.1", "::": "::1"}
    addresses = [address for address, its in found if address and its == tls]
    return [((local.get(host, host), port), tls) for host, port in addresses]


def has_ipv6(address: str | None = None) -> bool:
    """Tell whether the kernel has IPv6, and an address of it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            if address:
                probe.bind((address, 0))
    except OSError:
        return False
    return True


def try_nginx(changes: dict[str, str | None]) -> tuple[bool, str]:
    """Have nginx check its configuration, with other files in sites-enabled.

    Args:
        changes: A text for each name in that directory; None for none.

    Returns:
        Whether it is valid, and what `nginx -T` has printed.

    """
    shutil.rmtree(own.trial, ignore_errors=True)
    sites = own.trial / ENABLED.name
    sites.mkdir(parents=True)
    try:
        for path in NGINX.iterdir():
            if path.name not in ("nginx.conf", ENABLED.name):
                (own.trial / path.name).symlink_to(path)
        main = (NGINX / "nginx.conf").read_bytes()
        main = main.replace(bytes(ENABLED), bytes(sites))
        (own.trial / "nginx.conf").write_bytes(main)
        for path in ENABLED.iterdir():
            if path.name not in changes:
                (sites / path.name).symlink_to(path)
        for name, text in changes.items():
            if text is not None:
                # nginx makes log files even for a test, and with another mode.
                text = text.replace(f"{LOGS}/{own.name}.", f"{own.trial}/")  # noqa: PLW2901
                (sites / name).write_text(text)
        result = run("nginx", "-T", "-c", own.trial / "nginx.conf", check=False)
    finally:
        shutil.rmtree(own.trial)
    return result.returncode == 0, result.stdout.replace(str(own.trial), str(NGINX))


def error_of(output: str) -> str:
    """Return the first error that nginx has printed."""
    errors = re.findall(r"\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.+)", output)
    return errors[0] if errors else output.strip().rpartition("\n")[2]


def is_welcome_page() -> bool:
    """Tell whether the default site is the one of Debian, unchanged."""
    site = AVAILABLE / "default"
    link = ENABLED / "default"
    if not site.is_file() or not link.is_symlink() or link.resolve() != site.resolve():
        return False
    digest = hashlib.md5(site.read_bytes(), usedforsecurity=False).hexdigest()
    shown = run(
        "dpkg-query", "--show", "--showformat=${Conffiles}", "nginx-common", check=False
    )
    return digest in shown.stdout


def default_link() -> Path:
    """Return the link to our default server: the welcome page is replaced in place.

    There is no moment without a default server then, and none with two.
    """
    shared = ENABLED / "default"
    ours = {"link": str(AVAILABLE / f"{own.name}-default")}
    link = ENABLED / f"{own.name}-default"
    if look(link) is None and (look(shared) == ours or is_welcome_page()):
        return shared
    return link


@dataclass(frozen=True)
class Sites:
    """The nginx sites of a release on this machine."""

    text: str
    states: dict[Path, State]
    problems: list[str]


def plan_sites(deploy: Path) -> Sites:
    """Find out how nginx can serve a release, without changing anything."""
    text = site_of(deploy)
    default = site_of(deploy, "nginx-default.conf")
    link = default_link()
    ours: dict[str, str | None] = {
        own.name: None,
        f"{own.name}-default": None,
        link.name: None,
    }
    valid, output = try_nginx(ours)
    if not valid:
        problem = f"nginx: its configuration is not valid: {error_of(output)}"
        return Sites(text, {}, [problem])
    version = re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", run("nginx", "-v").stdout)[0]
    host = others_of(
        output,
        ipv6=has_ipv6(),
        http2_directive=tuple(map(int, version)) >= (1, 25, 1),
    )
    text, default = host.adapt(text), host.adapt(default)
    available = AVAILABLE / f"{own.name}-default"
    states: dict[Path, State] = {AVAILABLE / own.name: {"text": text}}
    new = ours | {own.name: text}
    if directives("listen", default):
        new[link.name] = default
        states[available] = {"text": default}
        states[ENABLED / own.name] = {"link": str(AVAILABLE / own.name)}
        states[link] = {"link": str(available)}
    else:  # other sites are the default for all addresses
        states[ENABLED / own.name] = {"link": str(AVAILABLE / own.name)}
        if look(link) == {"link": str(available)}:
            states[link] = None
        else:
            del new[link.name]
        states[available] = None
    valid, output = try_nginx(new)
    problems = []
    if not valid:
        problems.append(f"nginx: it would not accept the site: {error_of(output)}")
    elif f"{ENABLED / own.name}:" not in output:
        problems.append(f"{NGINX}/nginx.conf: must include {ENABLED}/*")
    conflicts = re.findall(r'conflicting server name "(\S+)" on (\S+),', output)
    problems += [
        f"nginx: another site has the server_name {name} on {address}: remove it there"
        for name, address in dict.fromkeys(conflicts)
        if name in " ".join(map(str, directives("server_name", text)))
    ]
    return Sites(text, states, problems)


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


# --- Whose is it? ------------------------------------------------------------------

FOREIGN = (
    "exists, and deploy/install has not made it; move it away, or give the instance "
    "another name (--name)"
)


def account() -> pwd.struct_passwd | None:
    """Return the service's account, if there is one of its name."""
    try:
        return pwd.getpwnam(own.name)
    except KeyError:
        return None


def package_of(path: Path) -> str:
    """Return the Debian package that a path belongs to; nothing if to none."""
    found = run("dpkg-query", "--search", path, check=False)
    return "" if found.returncode else found.stdout.partition(":")[0]


def contains_our_paths(path: Path) -> bool:
    """Tell whether a unit or a site is this service's."""
    with contextlib.suppress(OSError):
        text = path.read_text(errors="replace")
        return any(marked in text for marked in own.paths)
    return path.is_symlink() and path.readlink() == AVAILABLE / path.name


def is_from_the_shell_installer(entry: pwd.struct_passwd) -> bool:
    """Tell whether an account is one of the installer before this, which set no marks.

    It made the account in this form; and it made the unit, or has left the settings.
    """
    alike = entry.pw_dir == str(own.data) and entry.pw_shell.endswith("/nologin")
    settings = settings_file(HERE)
    complete = (own.current / "checksum").exists()
    unit = complete and contains_our_paths(UNITS / own.service)
    kept = settings.exists() and settings.stat().st_gid == entry.pw_gid
    return alike and not entry.pw_gecos and (unit or kept)


def own_account() -> pwd.struct_passwd | None:
    """Return the service's account, if this program has made it."""
    entry = account()
    if entry and (entry.pw_gecos == COMMENT or is_from_the_shell_installer(entry)):
        return entry
    return None


def is_own_home() -> bool:
    """Tell whether this program, or the one before it, has made /srv/NAME."""
    unit = contains_our_paths(UNITS / own.service)
    return own.mark.exists() or (unit and (own.current / "checksum").exists())


def is_own_directory(path: Path) -> bool:
    """Tell whether /etc/NAME or /var/lib/NAME is of the account that is ours."""
    entry = own_account()
    if not entry or not path.is_dir() or path.is_symlink() or package_of(path):
        return False
    status = path.stat()
    if path == own.etc:
        return status.st_uid == 0 and status.st_gid == entry.pw_gid
    return status.st_uid == entry.pw_uid


def foreign_account() -> Iterator[str]:
    """Yield an account or a group that has the name of the service and is not ours."""
    if account():
        if not own_account():
            yield f"account {own.name}: {FOREIGN}"
        return
    with contextlib.suppress(KeyError):
        grp.getgrnam(own.name)
        yield f"group {own.name}: {FOREIGN}"


def foreign_directories() -> Iterator[str]:
    """Yield directories that have the name of the service and are not ours."""
    if own.home.exists() and not is_own_home():
        yield f"{own.home}: {FOREIGN}"
    if own.etc.exists() and not is_own_directory(own.etc):
        # What README.md has users make before the first installation.
        known = {settings_file(HERE).name, "tls"}
        found = {path.name for path in own.etc.iterdir()}
        if package_of(own.etc) or not found or found - known:
            yield f"{own.etc}: {FOREIGN}"
    if own.data.is_symlink():
        yield f"{own.data}: must not be a symbolic link; use a bind mount instead"
    elif own.data.exists() and not is_own_directory(own.data):
        if own_account() and not package_of(own.data):
            fix = f"chown -R {own.name}: {own.data}"
            yield f"{own.data}: must belong to the service; {fix}"
        else:
            yield f"{own.data}: {FOREIGN}"


def foreign_files() -> Iterator[str]:
    """Yield units, sites and a command that have the name and are not ours."""
    places = (UNITS, Path("/run/systemd/system"), Path("/lib/systemd/system"))
    paths = [place / unit for place in places for unit in (own.service, own.socket)]
    names = (own.name, f"{own.name}-default")
    paths += [place / name for place in (AVAILABLE, ENABLED) for name in names]
    paths += [own.hosts_file, own.command]
    for path in paths:
        if os.path.lexists(path) and not contains_our_paths(path):
            yield f"{path}: {FOREIGN}"


# --- What it takes -----------------------------------------------------------------


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


def recorded_hosts() -> list[str]:
    """Return the hosts that `install` was given for the instance, if it was."""
    lines: list[str] = re.findall(r"(?m)^# Hosts: (.+)", read(own.hosts_file))
    return [host for line in lines for host in line.split()]


def hosts_state(package: str) -> State:
    """Return the drop-in that has the application trust the hosts of the instance."""
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


def root_problems(step: "Step") -> Iterator[str]:
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
    if sys.version_info < (3, 11) or not importlib.util.find_spec("ensurepip"):
        yield "python3: must be 3.11 or newer, with venv; apt-get install python3-venv"
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


# --- Releases ----------------------------------------------------------------------


def files_of(directory: Path) -> list[Path]:
    """Return the files of a directory, but for what Python keeps there."""
    paths = sorted(directory.rglob("*"))
    return [p for p in paths if p.is_file() and "__pycache__" not in p.parts]


def package_of_release(release: Path) -> str:
    """Return the name of the package in a release."""
    return (release / "static").readlink().parent.name


def package_name() -> str:
    """Return the name of the package, from pyproject.toml."""
    import tomllib  # noqa: PLC0415 - not there before 3.11, which is reported

    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    script: str = project["scripts"][command_of(HERE)]
    return script.partition(".")[0]


def checksum() -> str:
    """Return the checksum of all that a release is made from."""
    names = ("pyproject.toml", "requirements.txt", "requirements-build.txt")
    files = [SOURCE / name for name in names]
    files += files_of(SOURCE / package_name()) + files_of(HERE)
    digest = hashlib.sha256(f"{platform.python_version()} {sys.base_prefix}".encode())
    for file in files:
        digest.update(f"\n{file.relative_to(SOURCE)} ".encode(errors="surrogateescape"))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read(path: Path) -> str:
    """Return what a file says; nothing if there is none."""
    return path.read_text().strip() if path.exists() else ""


def release_at(link: Path) -> Path | None:
    """Return the release that a link leads to."""
    return own.home / link.readlink() if link.is_symlink() else None


def complete_release(wanted: str) -> Path | None:
    """Return the release that is made from these files, the current one first."""
    current = release_at(own.current)
    paths = own.releases.glob("*")
    found = [path for path in paths if read(path / "checksum") == wanted]
    return current if current in found else max(found, default=None)


def next_release() -> Path:
    """Return the directory of a new release."""
    numbers = [int(p.name) for p in own.releases.glob("*") if p.name.isdecimal()]
    return own.releases / str(max(numbers, default=0) + 1)


def discard(release: Path) -> None:
    """Remove a release; from the first moment on it is not complete."""
    if release.exists():
        (release / "checksum").unlink(missing_ok=True)
        shutil.rmtree(release)


def remove_releases(*others: Path | None) -> None:
    """Remove all releases but the current one, the previous one and some others."""
    keep = {release_at(own.current), release_at(own.previous), *others}
    for release in own.releases.iterdir():
        if release not in keep:
            discard(release)


def build(release: Path, digest: str) -> None:
    """Make a release from the project."""
    release.mkdir()
    scratch = release / "tmp"
    scratch.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"TMPDIR": str(scratch)}  # /tmp may be small, or noexec
    python = release / "bin" / "python"
    run(sys.executable, "-I", "-m", "venv", release, show=True, env=env)
    pip: list[str | Path] = [python, "-m", "pip", "--quiet", "--no-input"]
    pip += ["--no-cache-dir", "--disable-pip-version-check", "install"]
    locked = (*pip, "--require-hashes", "--requirement")
    tools = scratch / "tools"
    run(*locked, SOURCE / "requirements.txt", show=True, env=env)
    run(
        *locked,
        SOURCE / "requirements-build.txt",
        "--target",
        tools,
        show=True,
        env=env,
    )
    options = ("--no-deps", "--no-index", "--no-build-isolation")
    run(*pip, *options, SOURCE, show=True, env=env | {"PYTHONPATH": str(tools)})
    shutil.rmtree(scratch)

    deploy = release / "deploy"
    shutil.copytree(HERE, deploy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (deploy, *deploy.rglob("*")):  # a checkout may be for its owner alone
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)
    # A path for nginx that is the same with every version of Python.
    [package] = release.glob(f"lib/python3.*/site-packages/{package_name()}")
    (release / "static").symlink_to((package / "static").relative_to(release))
    name_release(release)
    os.sync()  # a power cut must not leave a checksum without the files
    put(release / "checksum", {"text": f"{digest}\n"})


def name_release(release: Path) -> str:
    """Return what only this release answers; write it if it is missing."""
    file = (release / "static").resolve() / RELEASE_FILE
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        put(file, {"text": f"{secrets.token_hex(16)}\n"})
    return file.read_text()


# --- Does it answer? ---------------------------------------------------------------


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
    """Ask nginx for this release by each name, over IPv4 and IPv6.

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


# --- Steps -------------------------------------------------------------------------


@contextlib.contextmanager
def undone_by(undo: Callable[[], object]) -> Generator[None]:
    """Undo what the block does, if it fails or is interrupted."""
    try:
        yield
    except BaseException:
        signals.ignored = True
        undo()
        raise


class Step:
    """Says what is done, and does it unless it is a dry run."""

    def __init__(self, *, dry_run: bool) -> None:
        """Note whether it is a dry run."""
        self.dry_run = dry_run

    def __call__(
        self, text: str, action: Callable[..., Result], *args: object
    ) -> Result | None:
        """Do it, and return the result; None in a dry run."""
        signals.check()
        say(f"==> {text}")
        return None if self.dry_run else action(*args)


def refuse(problems: Iterable[str]) -> None:
    """Stop before anything has changed, with all problems.

    Raises:
        DeployError: There are some.

    """
    if lines := list(problems):
        raise DeployError("\n".join([*lines, "nothing was changed"]))


def make_account() -> None:
    """Make the account, or mark the one of the installer before this."""
    if account():
        run("usermod", "--comment", COMMENT, own.name)
    else:
        run(
            *("useradd", "--system", "--user-group", "--no-create-home"),
            *("--home-dir", own.data, "--shell", "/usr/sbin/nologin"),
            *("--comment", COMMENT, own.name),
        )


def make_directories() -> None:
    """Make the directories, and mark those that are there."""
    entry = pwd.getpwnam(own.name)
    if not own.home.exists():
        make_directory(own.home, 0o755, 0, 0)
    put(own.mark, MARKED)
    own.releases.mkdir(exist_ok=True)
    if not own.etc.exists():
        make_directory(own.etc, 0o750, 0, entry.pw_gid)
    elif not is_own_directory(own.etc):  # certificates or settings were there first
        shutil.chown(own.etc, 0, entry.pw_gid)
        own.etc.chmod(0o750)
    if not own.data.exists():
        make_directory(own.data, 0o700, entry.pw_uid, entry.pw_gid)


def make_settings(settings: Path) -> None:
    """Make the settings file, with a new secret."""
    name = "SECRET_KEY"
    if settings.suffix == ".env":
        name = f"{package_name().upper()}_SECRET_KEY"
    text = "# Settings of this machine. They win over those in the package.\n"
    text += f'{name} = "{secrets.token_hex(32)}"\n'
    new = settings.with_name(f".{settings.name}.new")
    new.unlink(missing_ok=True)
    new.touch(0o600)
    new.write_text(text)
    shutil.chown(new, 0, pwd.getpwnam(own.name).pw_gid)
    new.chmod(0o640)
    # So that `uninstall` can tell whether they have been edited.
    digest = hashlib.sha256(text.encode()).hexdigest()
    put(own.home / "settings.sha256", {"text": digest})
    new.rename(settings)


def can_read(settings: Path) -> bool:
    """Tell whether the service can read its settings."""
    test = run("runuser", "-u", own.name, "--", "test", "-r", settings, check=False)
    return test.returncode == 0


def open_settings(settings: Path) -> None:
    """Let the service read its settings: after a restore, they are of another group."""
    shutil.chown(settings, group=pwd.getpwnam(own.name).pw_gid)
    settings.chmod(stat.S_IMODE(settings.stat().st_mode) | stat.S_IRGRP)
    if not can_read(settings):
        message = (
            f"{settings}: must be readable by the service, and is not; see: "
            f"namei -l {settings}"
        )
        raise DeployError(message)


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


def largest_body(said: str) -> str | None:
    """Return the largest body in what a check has said, as nginx writes it."""
    found = re.search(r"would start \(MAX_CONTENT_LENGTH: (\d+|None)\)", said)
    if not found:
        return None
    number = int(found[1].replace("None", "0"))  # 0: without a limit
    mebibytes, rest = divmod(number, 1 << 20)
    return str(number) if rest or not number else f"{mebibytes}m"


def fit_body(sites: Sites, body: str | None) -> Sites:
    """Have nginx take bodies as large as the application does."""
    if body is None:
        return sites
    line = r"(?m)^(\s*client_max_body_size) .+;"
    text = re.sub(line, rf"\1 {body};", sites.text)
    states = sites.states | {AVAILABLE / own.name: {"text": text}}
    return replace(sites, text=text, states=states)


def stop_check() -> None:
    """End the check, if it runs: systemd-run leaves it behind when it ends itself."""
    run("systemctl", "stop", own.check, check=False)


def make_logs(site: str) -> None:
    """Make the log files of nginx with the owner and mode that rotation gives them."""
    for name in re.findall(rf"{LOGS}/(\S+\.log)", site):
        log = LOGS / name
        if not log.exists():
            log.touch(0o640)
        log.chmod(0o640)
        shutil.chown(log, "www-data", "adm")


def remove_logs() -> None:
    """Remove the log files of nginx."""
    for kind in ("access", "error"):
        for log in LOGS.glob(f"{own.name}.{kind}.log*"):
            log.unlink()


def restarted(changed: set[Path]) -> list[str]:
    """Return the units to restart; the socket only if it has to be."""
    return [own.socket, own.service] if UNITS / own.socket in changed else [own.service]


def restart(*units: str, verb: str = "restart") -> None:
    """Restart units, however often that was done in the last seconds."""
    run("systemctl", "reset-failed", *units, check=False)
    for unit in units:
        run("systemctl", verb, unit)


@contextlib.contextmanager
def failing_as(kind: type[DeployError]) -> Generator[None]:
    """Have a failure in the block say what has failed, so that its log is shown."""
    try:
        yield
    except Interrupted:
        raise
    except DeployError as error:
        raise kind(str(error)) from error


class Switch:
    """The change from what serves to a release; it can be put back."""

    def __init__(self, release: Path, deploy: Path, hosts: State, sites: Sites) -> None:
        """Plan the change.

        Args:
            release: What is to serve.
            deploy: Its deploy files.
            hosts: The drop-in with the hosts of the instance.
            sites: How nginx can serve it.

        """
        self.release, self.sites = release, sites
        self.old = release_at(own.current)
        socket = next(deploy.glob("*.socket"))
        self.units = {
            UNITS / own.socket: look(socket),
            UNITS / own.service: look(socket.with_suffix(".service")),
            own.hosts_file: hosts,
            own.command: command_state(),
        }
        self.links: dict[Path, State] = {}
        if self.old != release:
            if self.old:
                self.links[own.previous] = {"link": f"releases/{self.old.name}"}
            self.links[own.current] = {"link": f"releases/{release.name}"}

    def save(self) -> None:
        """Save what serves now, for `put_back`."""
        paths = [*self.units, *self.links, *self.sites.states]
        paths += [ENABLED / "default", UNITS / "multi-user.target.wants/nginx.service"]
        files = {str(path): look(path) for path in dict.fromkeys(paths)}
        saved = {"files": files, "nginx": is_active("nginx")}
        put(own.undo, {"text": json.dumps(saved, indent=1)})

    def do(self, step: Step) -> None:
        """Change to the release, if that is not what serves."""
        units = {path for path, state in self.units.items() if look(path) != state}
        sites = {
            path for path, state in self.sites.states.items() if look(path) != state
        }
        start = bool(units or self.links) or not is_active(own.service)
        load = bool(sites) or not is_active("nginx")
        if not step.dry_run and (start or load):
            self.save()
        if start:
            step("install the units", self.install_units)
            if self.links:
                step(f"make releases/{self.release.name} the current one", self.link)
            step(f"start {own.name}", self.start, *restarted(units))
        if load:
            names = " ".join(names_of(self.sites.text))
            step(f"install the nginx site for {names}", self.install_sites)
            step("load it into nginx", self.load_sites)
            if not start:  # the same setting may have changed both
                step(f"reload {own.name}", self.reload)

    def install_units(self) -> None:
        """Install the units of the release, for this and each boot."""
        for path, state in self.units.items():
            if state:
                path.parent.mkdir(exist_ok=True)
            put(path, state)
        run("systemctl", "daemon-reload")
        run("systemctl", "--quiet", "enable", own.socket, own.service)

    def link(self) -> None:
        """Make the release the current one, once the other one is recorded."""
        for path, state in self.links.items():
            put(path, state)

    @staticmethod
    def start(*units: str) -> None:
        """Start the release.

        The socket stays open meanwhile, unless its unit has changed: requests wait, and
        those in flight are answered.
        """
        with failing_as(ServiceError):
            restart(*units)

    @staticmethod
    def reload() -> None:
        """Have the service load its settings again."""
        with failing_as(ServiceError):
            run("systemctl", "reload", own.service)

    def install_sites(self) -> None:
        """Install the site; nginx accepts its configuration after each change."""
        make_logs(self.sites.text)
        if look(ENABLED / "default") != self.sites.states.get(ENABLED / "default"):
            (own.home / "welcome-page").touch()  # `uninstall` puts it back
        for path, state in self.sites.states.items():
            put(path, state)

    @staticmethod
    def load_sites() -> None:
        """Have nginx load its configuration, or start."""
        run("systemctl", "--quiet", "enable", "nginx")
        with failing_as(NginxError):
            run("nginx", "-t")
            restart("nginx", verb="reload-or-restart")


def put_back(*, certain: bool = True) -> None:
    """Restore what served before the switch that was not completed.

    Args:
        certain: What has changed can be told from the files. After a SIGKILL it cannot:
            they may be restored already, and not loaded.

    """
    if not own.undo.exists():
        return
    saved = json.loads(own.undo.read_text())
    files: dict[Path, State] = {Path(p): state for p, state in saved["files"].items()}
    first = files[UNITS / own.service] is None
    if first:
        stop = ("systemctl", "--quiet", "disable", "--now", own.socket, own.service)
        run(*stop, check=False)
    changed = {path for path in reversed(files) if put(path, files[path])}
    run("systemctl", "daemon-reload")
    remove_empty(own.hosts_file.parent)
    if first:
        remove_logs()
    elif not certain or not changed.isdisjoint(
        {own.current, UNITS / own.socket, UNITS / own.service, own.hosts_file}
    ):
        with contextlib.suppress(DeployError):  # `restore` tells whether it answers
            restart(*restarted(changed if certain else {UNITS / own.socket}))
    if not saved["nginx"]:
        run("systemctl", "stop", "nginx", check=False)
    elif not certain or any(NGINX in path.parents for path in changed):
        with contextlib.suppress(DeployError):
            restart("nginx", verb="reload-or-restart")
    own.undo.unlink()


class Watch:
    """What is logged from now on, however the clock is set meanwhile."""

    def __init__(self) -> None:
        """Note where the logs end."""
        shown = run("journalctl", "--lines=0", "--show-cursor", check=False).stdout
        self.cursor = shown.partition("-- cursor: ")[2].strip()
        self.log = LOGS / "error.log"
        self.size = self.log.stat().st_size if self.log.exists() else 0

    def journal(self, unit: str) -> str:
        """Return the last lines that a unit has logged."""
        after = [f"--after-cursor={self.cursor}"] if self.cursor else []
        options = ("--quiet", "--no-pager", "--lines=10", "--output=cat")
        return run("journalctl", *options, *after, f"--unit={unit}", check=False).stdout

    def explain(self, failure: BaseException) -> None:
        """Show the log of what has failed."""
        if isinstance(failure, NginxError):
            test = run("nginx", "-t", check=False).stdout
            lines = ""
            if self.log.exists():
                with self.log.open(errors="replace") as log:
                    log.seek(self.size)
                    lines = "".join(log.readlines()[-10:])
            complain("nginx -t, and the last lines of nginx's logs:")
            say(f"{test}{self.journal('nginx')}{lines}".rstrip(), error=True)
        elif isinstance(failure, ServiceError):
            complain(f"the last lines of journalctl -u {own.name}:")
            say(self.journal(own.service).rstrip(), error=True)


def restore(old: Path | None) -> None:
    """Put back what served before, and tell whether it answers."""
    if not own.undo.exists():
        return
    say(f"==> put back {'releases/' + old.name if old else 'the machine'}")
    put_back()
    if old:
        try:
            check_health(read(AVAILABLE / own.name), old)
        except (DeployError, OSError) as error:
            complain(f"releases/{old.name} does not answer either: {error}")


def repair() -> None:
    """Put back what an interrupted run has changed."""
    signals.ignored = True
    put_back(certain=False)
    signals.ignored = False


def finish() -> None:
    """Take the switch as completed."""
    own.undo.unlink(missing_ok=True)
    remove_releases()


def prepare(settings: Path, step: Step) -> None:
    """Make what all releases share, where it is missing."""
    entry = account()
    if not entry or entry.pw_gecos != COMMENT:
        step(f"{'mark' if entry else 'make'} the account {own.name}", make_account)
    if not all(path.exists() for path in (own.mark, own.releases, own.etc, own.data)):
        step(f"make {own.home}, {own.etc} and {own.data}", make_directories)
    if not settings.exists():
        step(f"make {settings}, with a new secret", make_settings, settings)
    elif not step.dry_run and not can_read(settings):
        step(f"let the service read {settings}", open_settings, settings)


def install(number: str, step: Step) -> None:
    """Install the service or upgrade it, or go to a release that is there.

    Args:
        number: Of that release, or "previous"; empty for a new one.
        step: How steps are made.

    Raises:
        DeployError: It is not installed, and what served before serves on.

    """
    root = os.geteuid() == 0
    refuse([*root_problems(step), *requirements()])
    with locked() if root else contextlib.nullcontext():
        if own.undo.exists():
            step("put back what an interrupted run has changed", repair)
        own.hosts = own.hosts or recorded_hosts()
        if number:
            release: Path | None = chosen_release(number)
            digest, deploy = "", chosen_release(number) / "deploy"
            hosts = hosts_state(package_of_release(chosen_release(number)))
        else:
            digest, deploy = checksum(), HERE
            hosts = hosts_state(package_name())
            release = complete_release(digest)
        problems = [*host_problems(), *python_problems(), *file_problems(deploy)]
        problems += [*foreign_account(), *foreign_directories(), *foreign_files()]
        problems += disk_problems(build=release is None)
{% if cookiecutter.database != 'none' %}
        problems += database.problems()
{% endif %}
        sites = plan_sites(deploy) if root else Sites("", {}, [])
        refuse([*problems, *sites.problems, *port_problems(sites.text)])
        prepare(settings_file(deploy), step)
        old, fresh, watch = release_at(own.current), release is None, Watch()
        if own.releases.exists() and not step.dry_run:
            remove_releases(release)  # what failed runs have left
        if release:
            say(f"==> releases/{release.name} is there already")
        else:
            release = next_release()
            with undone_by(lambda: discard(release)):
                step(f"make {release}", build, release, digest)
        with undone_by(lambda: discard(release) if fresh else None):
            text = "validate the release and the settings"
            sites = fit_body(sites, step(text, check_release, release, hosts))
{% if cookiecutter.database != 'none' %}
        with undone_by(lambda: discard(release) if fresh else None):
            database.prepare(release, hosts, step, back=number == "previous")
{% endif %}
        with undone_by(lambda: restore(old)), explained_by(watch):
            Switch(release, deploy, hosts, sites).do(step)
            step("request it through nginx", check_health, sites.text, release)
            signals.check()
            signals.ignored = True
        step("remove older releases", finish)
    if not step.dry_run:
        say(f"{own.name}: releases/{release.name} answers at {url_of(sites.text)}")


@contextlib.contextmanager
def explained_by(watch: Watch) -> Generator[None]:
    """Show the logs of what fails in the block."""
    try:
        yield
    except Interrupted:
        raise
    except DeployError as failure:
        watch.explain(failure)
        raise


def url_of(site: str) -> str:
    """Return the address that users open."""
    return f"{scheme_of(site)}://{names_of(site)[0]}/"


def chosen_release(number: str) -> Path:
    """Return a release that is there.

    Raises:
        DeployError: It is not.

    """
    previous = number == "previous"
    release = release_at(own.previous) if previous else own.releases / number
    if not release or not (release / "checksum").exists():
        missing = "release to go back to" if previous else release
        message = f"there is no {missing}"
        raise DeployError(message)
    return release


# --- Removal -----------------------------------------------------------------------


def stop_service() -> None:
    """Stop the service and remove its units."""
{% if cookiecutter.database != 'none' %}
    database.remove_nightly()
{% endif %}
    units = (own.socket, own.service)
    run("systemctl", "--quiet", "disable", "--now", *units, check=False)
    for path in (UNITS / own.socket, UNITS / own.service, own.hosts_file, own.command):
        if contains_our_paths(path):
            path.unlink()
    remove_empty(own.hosts_file.parent)
    run("systemctl", "daemon-reload")
    remove_empty(Path("/run", own.name))


def remove_sites() -> None:
    """Remove the nginx sites; put back the welcome page that they have replaced.

    The default server first: it uses variables of the other one.
    """
    names = (f"{own.name}-default", own.name)
    welcome = AVAILABLE / "default"
    shared = ENABLED / "default"
    ours: State = {"link": str(AVAILABLE / f"{own.name}-default")}
    if look(shared) in (ours, None) and (own.home / "welcome-page").exists():
        changes: dict[str, str | None] = dict.fromkeys(names)
        valid = welcome.exists() and try_nginx({**changes, "default": read(welcome)})[0]
        if valid:
            put(ENABLED / f"{own.name}-default", None)
        put(shared, {"link": str(welcome)} if valid else None)
    for path in (
        *(ENABLED / name for name in names),
        *(AVAILABLE / name for name in names),
    ):
        if contains_our_paths(path):
            path.unlink()
    if is_active("nginx"):
        run("systemctl", "reload", "nginx", check=False)
    remove_logs()


def has_files_of_owner(settings: Path) -> bool:
    """Tell whether settings or data are there that `install` has not made."""
    others = [path for place in (own.etc, own.data) for path in place.rglob("*")]
    if [path for path in others if path != settings]:
        return True
    made = read(own.home / "settings.sha256").partition(" ")[0]
    return (
        settings.exists() and made != hashlib.sha256(settings.read_bytes()).hexdigest()
    )


def uninstall(step: Step, *, purge: bool) -> None:
    """Remove what `install` has made.

    Args:
        step: How steps are made.
        purge: Remove settings and data, too, whoever has made them.

    Raises:
        DeployError: There is nothing to remove.

    """
    refuse(root_problems(step))
    with locked() if os.geteuid() == 0 else contextlib.nullcontext():
        entry = own_account()
        directories = [path for path in (own.etc, own.data) if is_own_directory(path)]
        home = is_own_home()
        if not entry and not home:
            message = "is not installed: there is nothing that deploy/install has made"
            raise DeployError(message)
{% if cookiecutter.database != 'none' %}
        database.leave(step, purge=purge)
{% endif %}
        signals.ignored = True  # it is quick, and half of it would be of no use
        if contains_our_paths(UNITS / own.service):
            step(f"stop {own.name}", stop_service)
        step("remove the nginx site", remove_sites)
        keep = not purge and has_files_of_owner(settings_file(HERE))
        if home:
            step(f"remove {own.home}", shutil.rmtree, own.home)
        if keep:
            say(f"==> keep the account, {own.etc} and {own.data}")
        else:
            for path in directories:
                step(f"remove {path}", shutil.rmtree, path)
            if entry:
                step(f"remove the account {own.name}", run, "userdel", own.name)
        if not step.dry_run:
            Path(f"/run/{own.name}.deploy").unlink()


{% if cookiecutter.database != 'none' %}
# --- The database ---------------------------------------------------------------

# `database` imports this module by its name, under which a program is not known. With
# -I, the directory of the project is not on the path. No .pyc files are left in it.
sys.dont_write_bytecode = True
sys.path.append(str(SOURCE))
sys.modules.setdefault("deploy.installer", sys.modules[__name__])

from deploy import database  # noqa: E402, I001


{% endif %}
# --- The command -------------------------------------------------------------------


DONE = {"install": "installed", "rollback": "rolled back", "uninstall": "uninstalled"}
{% if cookiecutter.database != 'none' %}
DONE |= {"backup": "backed up", "restore": "restored"}
{% endif %}
TEXTS = {
{% if cookiecutter.database != 'none' %}
    "backup": "Copy the database to /var/backups/NAME while the service runs, and "
    "verify the copy.",
    "restore": "Replace the database by a backup. What it replaces is kept.",
{% endif %}
    "install": "Install the service from this directory, or upgrade it. pip reads "
    "its own settings: /etc/pip.conf, or variables like PIP_INDEX_URL.",
    "rollback": "Go back to the release that was current before, with its units and "
    "its nginx site. Settings and data stay as they are.",
    "uninstall": "Stop the service and remove its units, nginx site, logs, releases "
    "and account. Edited settings in /etc/NAME and data in /var/lib/NAME are kept.",
}


def parse(command: str, arguments: list[str]) -> argparse.Namespace:
    """Return the options of a command."""
    parser = argparse.ArgumentParser(
        prog=f"sudo deploy/{command}", description=TEXTS[command], allow_abbrev=False
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only print what would be done"
    )
    parser.add_argument(
        "--name",
        default=PLAIN,
        help="of the instance: account, directories, units and site [default: "
        f"{PLAIN}]",
    )
    parser.set_defaults(host=[], release="", purge=False)
    if command == "install":
        parser.add_argument(
            "--host",
            action="append",
            help="name that the instance serves, in place of those in nginx.conf; is "
            "remembered, and may be given more than once",
        )
        parser.add_argument(
            "--release",
            metavar="NUMBER",
            help="go to a release that is in /srv/NAME/releases",
        )
    if command == "uninstall":
        parser.add_argument(
            "--purge", action="store_true", help="remove settings and data, too"
        )
{% if cookiecutter.database != 'none' %}
    database.add_options(parser, command)
{% endif %}
    return parser.parse_args(arguments)


def flask(name: str, arguments: list[str]) -> None:
    """Become `flask` of an instance: as the service's user, in its sandbox.

    Args:
        name: The name of the instance.
        arguments: Those of `flask`.

    Raises:
        DeployError: It cannot be started.

    """
    own.use(name)
    if os.geteuid():
        message = "root: run it with sudo"
        raise DeployError(message)
    package = package_of_release(own.current)
    settings = settings_file(own.current / "deploy")
    unit = (UNITS / own.service).read_text().replace("%p", own.name)
    command = ["systemd-run", *sandbox(unit + drop_ins()), "--pipe", "--pty"]
    command += [f"--working-directory={own.data}"]
    command += [f"--setenv={package.upper()}_CFG={settings}"]
    command += ["--", str(own.current / "bin" / "flask"), "--app", package]
    # systemd replaces variables in a command.
    command += [argument.replace("$", "$$") for argument in arguments]
    os.execvp(command[0], command)  # noqa: S606 - a shell is not wanted


def main(command: str, *arguments: str) -> int:
    """Run a command; return its exit status."""
    os.umask(0o022)
    # `su` without `-` leaves out the directories of administration.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    try:
        if command == "flask":  # --name NAME -- ARGUMENTS, by the installed command
            flask(arguments[1], [*arguments[3:]])
        options = parse(command, [*arguments])
        signals.catch()
        deploy(command, options)
    except Interrupted:
        complain("interrupted; the machine is as before")
        return 128 + signals.received
    except (DeployError, OSError) as error:
        complain(str(error))
        if command in DONE:
            complain(f"NOT {DONE[command]}")
        return 1
    return 0


def deploy(command: str, options: argparse.Namespace) -> None:
    """Run a command of this directory.

    Args:
        command: Its name.
        options: Its options.

    Raises:
        DeployError: It has not done it.

    """
    refuse(name_problems(options.name, options.host))
    own.use(options.name)
    own.hosts = [*dict.fromkeys(options.host)]
    step = Step(dry_run=options.dry_run)
    if command == "uninstall":
        uninstall(step, purge=options.purge)
{% if cookiecutter.database != 'none' %}
    elif command in database.COMMANDS:
        database.COMMANDS[command](options, step)
{% endif %}
    elif command == "rollback":
        install("previous", step)
    else:
        install(options.release, step)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
