"""Install, upgrade, roll back or remove the service on this machine.

`deploy/install`, `deploy/rollback` and `deploy/uninstall` run this file as root. Names,
paths and ports come from the other files here: the units and the nginx site.

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
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent
NAME = re.findall(r"unix:/run/([^/]+)/\1\.sock", (HERE / "nginx.conf").read_text())[0]
SERVICE, SOCKET = f"{NAME}.service", f"{NAME}.socket"

HOME = Path("/srv", NAME)
RELEASES = HOME / "releases"
CURRENT, PREVIOUS, UNDO = HOME / "current", HOME / "previous", HOME / "undo.json"
ETC = Path("/etc", NAME)
DATA = Path("/var/lib", NAME)
UNITS = Path("/etc/systemd/system")
NGINX = Path("/etc/nginx")
AVAILABLE, ENABLED = NGINX / "sites-available", NGINX / "sites-enabled"
LOGS = Path("/var/log/nginx")
TRIAL = Path("/run", f"{NAME}.nginx")

# Only what this program has made is changed or removed. It is marked: the account has
# this comment, /srv/NAME this file, units and sites have these paths, and the group of
# /etc/NAME and the owner of /var/lib/NAME are those of the account.
COMMENT = "made by deploy/install"
MARK = HOME / "made-by-deploy-install"
MARKED = {"text": "deploy/uninstall removes this directory.\n"}
PATHS = (f"/srv/{NAME}/current/", f"/run/{NAME}/{NAME}.sock", f"/{NAME}-default")

MEGABYTES = 200  # a release, its packages and what pip unpacks
SECONDS = 20  # how long a release may take from its start to its first answer
RELEASE_FILE = "installed-release.txt"  # in /static/: tells one release from another
HIDDEN = ("/home", "/root", "/run/user")  # from the service, by ProtectHome

State = dict[str, str] | None  # of a path: absent, a link or a file
Address = tuple[str, int]


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
        say(f"{NAME}: {line}", error=True)


lock_files: list[int] = []


@contextlib.contextmanager
def locked() -> Generator[None]:
    """Wait until no other deploy command of this service runs."""
    with Path(f"/run/{NAME}.deploy").open("w") as lock:
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
        new.chmod(0o644)
    new.replace(path)
    return True


def make_directory(path: Path, mode: int, user: str | int, group: str | int) -> None:
    """Make a directory that has owner, mode and mark from its first instant on."""
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed here
    new.mkdir()
    new.chmod(mode)
    shutil.chown(new, user, group)
    if path == HOME:
        put(new / MARK.name, MARKED)
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
    shutil.rmtree(TRIAL, ignore_errors=True)
    sites = TRIAL / ENABLED.name
    sites.mkdir(parents=True)
    try:
        for path in NGINX.iterdir():
            if path.name not in ("nginx.conf", ENABLED.name):
                (TRIAL / path.name).symlink_to(path)
        main = (NGINX / "nginx.conf").read_bytes()
        main = main.replace(bytes(ENABLED), bytes(sites))
        (TRIAL / "nginx.conf").write_bytes(main)
        for path in ENABLED.iterdir():
            if path.name not in changes:
                (sites / path.name).symlink_to(path)
        for name, text in changes.items():
            if text is not None:
                # nginx makes log files even for a test, and with another mode.
                text = text.replace(f"{LOGS}/{NAME}.", f"{TRIAL}/")  # noqa: PLW2901
                (sites / name).write_text(text)
        result = run("nginx", "-T", "-c", TRIAL / "nginx.conf", check=False)
    finally:
        shutil.rmtree(TRIAL)
    return result.returncode == 0, result.stdout.replace(str(TRIAL), str(NGINX))


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
    ours = {"link": str(AVAILABLE / f"{NAME}-default")}
    own = ENABLED / f"{NAME}-default"
    if look(own) is None and (look(shared) == ours or is_welcome_page()):
        return shared
    return own


@dataclass(frozen=True)
class Sites:
    """The nginx sites of a release on this machine."""

    text: str
    states: dict[Path, State]
    problems: list[str]


def plan_sites(deploy: Path) -> Sites:
    """Find out how nginx can serve a release, without changing anything."""
    text = (deploy / "nginx.conf").read_text()
    default = (deploy / "nginx-default.conf").read_text()
    link = default_link()
    ours: dict[str, str | None] = {NAME: None, f"{NAME}-default": None, link.name: None}
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
    available = AVAILABLE / f"{NAME}-default"
    states: dict[Path, State] = {AVAILABLE / NAME: {"text": text}}
    new = ours | {NAME: text}
    if directives("listen", default):
        new[link.name] = default
        states[available] = {"text": default}
        states[ENABLED / NAME] = {"link": str(AVAILABLE / NAME)}
        states[link] = {"link": str(available)}
    else:  # other sites are the default for all addresses
        states[ENABLED / NAME] = {"link": str(AVAILABLE / NAME)}
        if look(link) == {"link": str(available)}:
            states[link] = None
        else:
            del new[link.name]
        states[available] = None
    valid, output = try_nginx(new)
    problems = []
    if not valid:
        problems.append(f"nginx: it would not accept the site: {error_of(output)}")
    elif f"{ENABLED / NAME}:" not in output:
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
    "exists, and deploy/install has not made it; move it away, or give the service "
    "another name (deploy/rename)"
)


def account() -> pwd.struct_passwd | None:
    """Return the service's account, if there is one of its name."""
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return None


def package_of(path: Path) -> str:
    """Return the Debian package that a path belongs to; nothing if to none."""
    found = run("dpkg-query", "--search", path, check=False)
    return "" if found.returncode else found.stdout.partition(":")[0]


def contains_our_paths(path: Path) -> bool:
    """Tell whether a unit or a site is this service's."""
    with contextlib.suppress(OSError):
        return any(own in path.read_text(errors="replace") for own in PATHS)
    return path.is_symlink() and path.readlink() == AVAILABLE / path.name


def is_from_the_shell_installer(entry: pwd.struct_passwd) -> bool:
    """Tell whether an account is one of the installer before this, which set no marks.

    It made the account in this form; and it made the unit, or has left the settings.
    """
    alike = entry.pw_dir == str(DATA) and entry.pw_shell.endswith("/nologin")
    settings = settings_file(HERE)
    unit = contains_our_paths(UNITS / SERVICE) and (CURRENT / "checksum").exists()
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
    unit = contains_our_paths(UNITS / SERVICE)
    return MARK.exists() or (unit and (CURRENT / "checksum").exists())


def is_own_directory(path: Path) -> bool:
    """Tell whether /etc/NAME or /var/lib/NAME is of the account that is ours."""
    entry = own_account()
    if not entry or not path.is_dir() or path.is_symlink() or package_of(path):
        return False
    status = path.stat()
    if path == ETC:
        return status.st_uid == 0 and status.st_gid == entry.pw_gid
    return status.st_uid == entry.pw_uid


def foreign_account() -> Iterator[str]:
    """Yield an account or a group that has the name of the service and is not ours."""
    if account():
        if not own_account():
            yield f"account {NAME}: {FOREIGN}"
        return
    with contextlib.suppress(KeyError):
        grp.getgrnam(NAME)
        yield f"group {NAME}: {FOREIGN}"


def foreign_directories() -> Iterator[str]:
    """Yield directories that have the name of the service and are not ours."""
    if HOME.exists() and not is_own_home():
        yield f"{HOME}: {FOREIGN}"
    if ETC.exists() and not is_own_directory(ETC):
        # What README.md has users make before the first installation.
        known = {settings_file(HERE).name, "tls"}
        found = {path.name for path in ETC.iterdir()}
        if package_of(ETC) or not found or found - known:
            yield f"{ETC}: {FOREIGN}"
    if DATA.is_symlink():
        yield f"{DATA}: must not be a symbolic link; use a bind mount instead"
    elif DATA.exists() and not is_own_directory(DATA):
        if own_account() and not package_of(DATA):
            yield f"{DATA}: must belong to the service; chown -R {NAME}: {DATA}"
        else:
            yield f"{DATA}: {FOREIGN}"


def foreign_files() -> Iterator[str]:
    """Yield units and sites that have the name of the service and are not ours."""
    places = (UNITS, Path("/run/systemd/system"), Path("/lib/systemd/system"))
    paths = [place / unit for place in places for unit in (SERVICE, SOCKET)]
    names = (NAME, f"{NAME}-default")
    paths += [place / name for place in (AVAILABLE, ENABLED) for name in names]
    for path in paths:
        if os.path.lexists(path) and not contains_our_paths(path):
            yield f"{path}: {FOREIGN}"


# --- What it takes -----------------------------------------------------------------


def settings_file(deploy: Path) -> Path:
    """Return the settings file that the unit names."""
    unit = (deploy / SERVICE).read_text()
    return Path(re.findall(r"(?m)^ExecStart=.* --settings (\S+)", unit)[0])


def command_of(deploy: Path) -> str:
    """Return the name of the command that the unit starts."""
    unit = (deploy / SERVICE).read_text()
    return Path(re.findall(r"(?m)^ExecStart=(\S+)", unit)[0]).name


def root_problems(step: "Step") -> Iterator[str]:
    """Yield that it takes root, unless it is a dry run."""
    if os.geteuid() and not step.dry_run:
        yield "root: run it with sudo"


def requirements() -> Iterator[str]:
    """Yield what this program cannot do without."""
    if not Path("/run/systemd/system").is_dir():
        yield "systemd: must be running"
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
    site = (deploy / "nginx.conf").read_text()
    for [file] in directives("ssl_certificate(?:_key)?", site):
        if not Path(file).exists():
            yield f"{file}: is missing; see README.md for the certificate"


def disk_problems(*, build: bool) -> Iterator[str]:
    """Yield which disk is full."""
    needed = {HOME: MEGABYTES if build else 1, ETC: 1, DATA: 1, NGINX: 1}
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
    return HOME / link.readlink() if link.is_symlink() else None


def complete_release(wanted: str) -> Path | None:
    """Return the release that is made from these files, the current one first."""
    current = release_at(CURRENT)
    found = [path for path in RELEASES.glob("*") if read(path / "checksum") == wanted]
    return current if current in found else max(found, default=None)


def next_release() -> Path:
    """Return the directory of a new release."""
    numbers = [int(p.name) for p in RELEASES.glob("*") if p.name.isdecimal()]
    return RELEASES / str(max(numbers, default=0) + 1)


def discard(release: Path) -> None:
    """Remove a release; from the first moment on it is not complete."""
    if release.exists():
        (release / "checksum").unlink(missing_ok=True)
        shutil.rmtree(release)


def remove_releases(*others: Path | None) -> None:
    """Remove all releases but the current one, the previous one and some others."""
    keep = {release_at(CURRENT), release_at(PREVIOUS), *others}
    for release in RELEASES.iterdir():
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

    def __call__(self, text: str, action: Callable[..., object], *args: object) -> None:
        """Do it."""
        signals.check()
        say(f"==> {text}")
        if not self.dry_run:
            action(*args)


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
        run("usermod", "--comment", COMMENT, NAME)
    else:
        run(
            *("useradd", "--system", "--user-group", "--no-create-home"),
            *("--home-dir", DATA, "--shell", "/usr/sbin/nologin"),
            *("--comment", COMMENT, NAME),
        )


def make_directories() -> None:
    """Make the directories, and mark those that are there."""
    entry = pwd.getpwnam(NAME)
    if not HOME.exists():
        make_directory(HOME, 0o755, 0, 0)
    put(MARK, MARKED)
    RELEASES.mkdir(exist_ok=True)
    if not ETC.exists():
        make_directory(ETC, 0o750, 0, entry.pw_gid)
    elif not is_own_directory(ETC):  # the certificates or the settings were there first
        shutil.chown(ETC, 0, entry.pw_gid)
        ETC.chmod(0o750)
    if not DATA.exists():
        make_directory(DATA, 0o700, entry.pw_uid, entry.pw_gid)


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
    shutil.chown(new, 0, pwd.getpwnam(NAME).pw_gid)
    new.chmod(0o640)
    # So that `uninstall` can tell whether they have been edited.
    put(HOME / "settings.sha256", {"text": hashlib.sha256(text.encode()).hexdigest()})
    new.rename(settings)


def can_read(settings: Path) -> bool:
    """Tell whether the service can read its settings."""
    test = run("runuser", "-u", NAME, "--", "test", "-r", settings, check=False)
    return test.returncode == 0


def open_settings(settings: Path) -> None:
    """Let the service read its settings: after a restore, they are of another group."""
    shutil.chown(settings, group=pwd.getpwnam(NAME).pw_gid)
    settings.chmod(stat.S_IMODE(settings.stat().st_mode) | stat.S_IRGRP)
    if not can_read(settings):
        message = (
            f"{settings}: must be readable by the service, and is not; see: "
            f"namei -l {settings}"
        )
        raise DeployError(message)


def check_release(release: Path) -> None:
    """Have a release check itself and its settings, as the service's user."""
    command = release / "bin" / command_of(release / "deploy")
    settings = settings_file(release / "deploy")
    user = ("runuser", "-u", NAME, "--")
    try:
        run(*user, command, "--settings", settings, "--check", show=True)
    except Interrupted:
        raise
    except DeployError as error:
        message = f"releases/{release.name} would not start: see above"
        raise DeployError(message) from error


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
        for log in LOGS.glob(f"{NAME}.{kind}.log*"):
            log.unlink()


def restarted(changed: set[Path]) -> list[str]:
    """Return the units to restart; the socket only if it has to be."""
    return [SOCKET, SERVICE] if UNITS / SOCKET in changed else [SERVICE]


def restart(*units: str, verb: str = "restart") -> None:
    """Restart units, however often that was done in the last seconds."""
    run("systemctl", "reset-failed", *units, check=False)
    for unit in units:
        run("systemctl", verb, unit)


class Switch:
    """The change from what serves to a release; it can be put back."""

    def __init__(self, release: Path, sites: Sites) -> None:
        """Plan the change.

        Args:
            release: What is to serve.
            sites: How nginx can serve it.

        """
        deploy = release / "deploy"
        self.release, self.sites = release, sites
        self.old = release_at(CURRENT)
        self.units = {UNITS / unit: look(deploy / unit) for unit in (SOCKET, SERVICE)}
        self.links: dict[Path, State] = {}
        if self.old != release:
            if self.old:
                self.links[PREVIOUS] = {"link": f"releases/{self.old.name}"}
            self.links[CURRENT] = {"link": f"releases/{release.name}"}

    def save(self) -> None:
        """Save what serves now, for `put_back`."""
        paths = [*self.units, *self.links, *self.sites.states]
        paths += [ENABLED / "default", UNITS / "multi-user.target.wants/nginx.service"]
        files = {str(path): look(path) for path in dict.fromkeys(paths)}
        saved = {"files": files, "nginx": is_active("nginx")}
        put(UNDO, {"text": json.dumps(saved, indent=1)})

    def do(self, step: Step) -> None:
        """Change to the release, if that is not what serves."""
        units = {path for path, state in self.units.items() if look(path) != state}
        sites = {
            path for path, state in self.sites.states.items() if look(path) != state
        }
        start = bool(units or self.links) or not is_active(SERVICE)
        load = bool(sites) or not is_active("nginx")
        if not step.dry_run and (start or load):
            self.save()
        if start:
            step("install the units", self.install_units)
            if self.links:
                step(f"make releases/{self.release.name} the current one", self.link)
            step(f"start {NAME}", self.start, *restarted(units))
        if load:
            step("install the nginx site", self.install_sites)
            step("load it into nginx", self.load_sites)

    def install_units(self) -> None:
        """Install the units of the release, for this and each boot."""
        for path, state in self.units.items():
            put(path, state)
        run("systemctl", "daemon-reload")
        run("systemctl", "--quiet", "enable", SOCKET, SERVICE)

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
        try:
            restart(*units)
        except Interrupted:
            raise
        except DeployError as error:
            raise ServiceError(str(error)) from error

    def install_sites(self) -> None:
        """Install the site; nginx accepts its configuration after each change."""
        make_logs(self.sites.text)
        if look(ENABLED / "default") != self.sites.states.get(ENABLED / "default"):
            (HOME / "welcome-page").touch()  # `uninstall` puts it back
        for path, state in self.sites.states.items():
            put(path, state)

    @staticmethod
    def load_sites() -> None:
        """Have nginx load its configuration, or start."""
        run("systemctl", "--quiet", "enable", "nginx")
        try:
            run("nginx", "-t")
            restart("nginx", verb="reload-or-restart")
        except Interrupted:
            raise
        except DeployError as error:
            raise NginxError(str(error)) from error


def put_back(*, certain: bool = True) -> None:
    """Restore what served before the switch that was not completed.

    Args:
        certain: What has changed can be told from the files. After a SIGKILL it cannot:
            they may be restored already, and not loaded.

    """
    if not UNDO.exists():
        return
    saved = json.loads(UNDO.read_text())
    files: dict[Path, State] = {Path(p): state for p, state in saved["files"].items()}
    first = files[UNITS / SERVICE] is None
    if first:
        stop = ("systemctl", "--quiet", "disable", "--now", SOCKET, SERVICE)
        run(*stop, check=False)
    changed = {path for path in reversed(files) if put(path, files[path])}
    run("systemctl", "daemon-reload")
    if first:
        remove_logs()
    elif not certain or not changed.isdisjoint(
        {CURRENT, UNITS / SOCKET, UNITS / SERVICE}
    ):
        with contextlib.suppress(DeployError):  # `restore` tells whether it answers
            restart(*restarted(changed if certain else {UNITS / SOCKET}))
    if not saved["nginx"]:
        run("systemctl", "stop", "nginx", check=False)
    elif not certain or any(NGINX in path.parents for path in changed):
        with contextlib.suppress(DeployError):
            restart("nginx", verb="reload-or-restart")
    UNDO.unlink()


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
            complain(f"the last lines of journalctl -u {NAME}:")
            say(self.journal(SERVICE).rstrip(), error=True)


def restore(old: Path | None) -> None:
    """Put back what served before, and tell whether it answers."""
    if not UNDO.exists():
        return
    say(f"==> put back {'releases/' + old.name if old else 'the machine'}")
    put_back()
    if old:
        try:
            check_health(read(AVAILABLE / NAME), old)
        except (DeployError, OSError) as error:
            complain(f"releases/{old.name} does not answer either: {error}")


def repair() -> None:
    """Put back what an interrupted run has changed."""
    signals.ignored = True
    put_back(certain=False)
    signals.ignored = False


def finish() -> None:
    """Take the switch as completed."""
    UNDO.unlink(missing_ok=True)
    remove_releases()


def prepare(settings: Path, step: Step) -> None:
    """Make what all releases share, where it is missing."""
    entry = account()
    if not entry or entry.pw_gecos != COMMENT:
        step(f"{'mark' if entry else 'make'} the account {NAME}", make_account)
    if not all(path.exists() for path in (MARK, RELEASES, ETC, DATA)):
        step(f"make {HOME}, {ETC} and {DATA}", make_directories)
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
        if UNDO.exists():
            step("put back what an interrupted run has changed", repair)
        if number:
            release: Path | None = chosen_release(number)
            digest, deploy = "", chosen_release(number) / "deploy"
        else:
            digest, deploy = checksum(), HERE
            release = complete_release(digest)
        problems = [*python_problems(), *file_problems(deploy)]
        problems += [*foreign_account(), *foreign_directories(), *foreign_files()]
        problems += disk_problems(build=release is None)
        sites = plan_sites(deploy) if root else Sites("", {}, [])
        refuse([*problems, *sites.problems, *port_problems(sites.text)])
        prepare(settings_file(deploy), step)
        old, fresh, watch = release_at(CURRENT), release is None, Watch()
        if RELEASES.exists() and not step.dry_run:
            remove_releases(release)  # what failed runs have left
        if release:
            say(f"==> releases/{release.name} is there already")
        else:
            release = next_release()
            with undone_by(lambda: discard(release)):
                step(f"make {release}", build, release, digest)
        with undone_by(lambda: discard(release) if fresh else None):
            step("validate the release and the settings", check_release, release)
        with undone_by(lambda: restore(old)), explained_by(watch):
            Switch(release, sites).do(step)
            step("request it through nginx", check_health, sites.text, release)
            signals.check()
            signals.ignored = True
        step("remove older releases", finish)
    if not step.dry_run:
        say(f"{NAME}: releases/{release.name} answers at {url_of(sites.text)}")


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
    release = release_at(PREVIOUS) if number == "previous" else RELEASES / number
    if not release or not (release / "checksum").exists():
        missing = "release to go back to" if number == "previous" else release
        message = f"there is no {missing}"
        raise DeployError(message)
    return release


# --- Removal -----------------------------------------------------------------------


def stop_service() -> None:
    """Stop the service and remove its units."""
    run("systemctl", "--quiet", "disable", "--now", SOCKET, SERVICE, check=False)
    for unit in (SOCKET, SERVICE):
        (UNITS / unit).unlink(missing_ok=True)
    run("systemctl", "daemon-reload")
    with contextlib.suppress(OSError):
        Path("/run", NAME).rmdir()


def remove_sites() -> None:
    """Remove the nginx sites; put back the welcome page that they have replaced.

    The default server first: it uses variables of the other one.
    """
    names = (f"{NAME}-default", NAME)
    welcome = AVAILABLE / "default"
    shared = ENABLED / "default"
    ours: State = {"link": str(AVAILABLE / f"{NAME}-default")}
    if look(shared) in (ours, None) and (HOME / "welcome-page").exists():
        changes: dict[str, str | None] = dict.fromkeys(names)
        valid = welcome.exists() and try_nginx({**changes, "default": read(welcome)})[0]
        own = ENABLED / f"{NAME}-default"
        if valid:
            put(own, None)
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
    others = [path for place in (ETC, DATA) for path in place.rglob("*")]
    if [path for path in others if path != settings]:
        return True
    made = read(HOME / "settings.sha256").partition(" ")[0]
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
        directories = [path for path in (ETC, DATA) if is_own_directory(path)]
        home = is_own_home()
        if not entry and not home:
            message = "is not installed: there is nothing that deploy/install has made"
            raise DeployError(message)
        signals.ignored = True  # it is quick, and half of it would be of no use
        if contains_our_paths(UNITS / SERVICE):
            step(f"stop {NAME}", stop_service)
        step("remove the nginx site", remove_sites)
        keep = not purge and has_files_of_owner(settings_file(HERE))
        if home:
            step(f"remove {HOME}", shutil.rmtree, HOME)
        if keep:
            say(f"==> keep the account, {ETC} and {DATA}")
        else:
            for path in directories:
                step(f"remove {path}", shutil.rmtree, path)
            if entry:
                step(f"remove the account {NAME}", run, "userdel", NAME)
        if not step.dry_run:
            Path(f"/run/{NAME}.deploy").unlink()


# --- The command -------------------------------------------------------------------


DONE = {"install": "installed", "rollback": "rolled back", "uninstall": "uninstalled"}
TEXTS = {
    "install": f"Install {NAME} from this directory, or upgrade it. pip reads its own "
    "settings: /etc/pip.conf, or variables like PIP_INDEX_URL.",
    "rollback": f"Go back to the release of {NAME} that was current before, with its "
    "units and its nginx site. Settings and data stay as they are.",
    "uninstall": f"Stop {NAME} and remove its units, nginx site, logs, releases and "
    f"account. Edited settings in {ETC} and data in {DATA} are kept.",
}


def parse(command: str, arguments: list[str]) -> argparse.Namespace:
    """Return the options of a command."""
    parser = argparse.ArgumentParser(
        prog=f"sudo deploy/{command}", description=TEXTS[command], allow_abbrev=False
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only print what would be done"
    )
    if command == "install":
        parser.add_argument(
            "--release",
            metavar="NUMBER",
            default="",
            help=f"go to a release that is in {RELEASES}",
        )
    if command == "uninstall":
        parser.add_argument(
            "--purge", action="store_true", help="remove settings and data, too"
        )
    return parser.parse_args(arguments)


def main(command: str, *arguments: str) -> int:
    """Run a command; return its exit status."""
    options = parse(command, [*arguments])
    os.umask(0o022)
    # `su` without `-` leaves out the directories of administration.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    signals.catch()
    step = Step(dry_run=options.dry_run)
    try:
        if command == "uninstall":
            uninstall(step, purge=options.purge)
        elif command == "rollback":
            install("previous", step)
        else:
            install(options.release, step)
    except Interrupted:
        complain("interrupted; the machine is as before")
        return 128 + signals.received
    except (DeployError, OSError) as error:
        complain(str(error))
        complain(f"NOT {DONE[command]}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
