"""A throwaway Debian with systemd and nginx, to install and break services in.

Made once by debootstrap and kept; each machine is an overlay on it, booted as a
systemd-nspawn container. Its network is its own and holds nothing but a loopback:
requests are sent from within that network namespace, and nothing can leave it.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Self

CACHE = Path(os.environ.get("E2E_CACHE", "/var/cache/flask-factory-template"))
SUITE = os.environ.get("E2E_SUITE", "trixie")
MIRROR = os.environ.get("E2E_MIRROR", "")  # debootstrap knows one itself
# What the README has for nginx.
CONNECTIONS = """
sed -i 's/worker_connections .*/worker_connections 8192;/' /etc/nginx/nginx.conf
echo 'worker_rlimit_nofile 20000;' >/etc/nginx/modules-enabled/90-files.conf
"""
PACKAGES = (
    *("ca-certificates", "curl", "dbus", "nginx-light", "openssl", "procps"),
    *("python3", "python3-venv", "sudo", "systemd", "systemd-sysv"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REBOOT = 133  # how systemd-nspawn ends when its machine wants to be started again
CLONE_NEWNET = 0x40000000

# Where systemd keeps its groups of processes, on whatever kernel this is: cgroups(7).
HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
# Becomes its arguments, in the groups that it is given first.
IN_GROUPS = 'for group in $1; do echo $$ >"$group/cgroup.procs"; done; shift; exec "$@"'


def missing() -> list[str]:
    """Return what a machine needs and this one does not have."""
    tools = ("debootstrap", "mount", "nsenter", "systemd-nspawn", "umount")
    root = [] if os.geteuid() == 0 else ["root"]
    return root + [tool for tool in tools if not shutil.which(tool)]


@contextlib.contextmanager
def locked() -> Generator[None]:
    """Have others wait who want to put something into the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def template(*others: str) -> Path:
    """Return a Debian to make machines from; make it if there is none.

    Args:
        others: The packages that it has beside those that all have.

    """
    packages = (*PACKAGES, *others)
    digest = hashlib.sha256(" ".join((MIRROR, *packages)).encode()).hexdigest()[:8]
    path = CACHE / f"{SUITE}-{digest}"
    if not path.is_dir():
        partial = path.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(
            [
                *(
                    "debootstrap",
                    "--variant=minbase",
                    f"--include={','.join(packages)}",
                ),
                *(SUITE, str(partial), *filter(None, [MIRROR])),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(partial / "var" / "cache" / "apt")
        (partial / "var" / "cache" / "apt").mkdir()
        partial.rename(path)
    return path


class Machine:
    """A machine; use it in a `with` statement."""

    def __init__(
        self, directory: Path, binds: Mapping[str, Path], *packages: str
    ) -> None:
        """Prepare it.

        Args:
            directory: Where it may write; its name becomes the machine's.
            binds: What it sees read-only, by the path that it sees it at.
            packages: What it has beside that which all have.

        """
        self.packages = packages
        self.directory = directory
        self.binds = binds
        self.root = directory / "root"
        self.console = directory / "console"
        self.name = f"e2e-{os.getpid()}-{directory.name}"[:60].rstrip("-")
        # Groups of its own: a signal to a service would reach that of another
        # machine, too, if the two had the same name.
        self.groups = [
            Path(hierarchy) / self.name
            for hierarchy in HIERARCHIES
            if (Path(hierarchy) / "cgroup.procs").exists()
        ]
        self.leader = 0
        self.nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Boot it."""
        for group in self.groups:
            group.mkdir()
        for name in ("root", "upper", "work"):
            (self.directory / name).mkdir(parents=True)
        with locked():
            lower = template(*self.packages)
        layers = f"lowerdir={lower},upperdir={self.directory}/upper"
        mount = [
            "mount",
            "-t",
            "overlay",
            "-o",
            f"{layers},workdir={self.directory}/work",
        ]
        subprocess.run([*mount, "overlay", self.root], check=True)
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off and leave nothing behind."""
        if self.nspawn and self.nspawn.poll() is None:
            self.nspawn.terminate()  # it shuts the machine down
            try:
                self.nspawn.wait(60)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        subprocess.run(["umount", self.root], check=True)
        shutil.rmtree(self.directory)
        for group in self.groups:
            for path, *_inner in os.walk(group, topdown=False):
                Path(path).rmdir()

    def boot(self) -> None:
        """Start it, until all its services have started."""
        binds = [f"--bind-ro={path}:{at}" for at, path in self.binds.items()]
        groups = " ".join(map(str, self.groups))
        with self.console.open("ab") as console:
            self.nspawn = subprocess.Popen(
                [
                    *("sh", "-c", IN_GROUPS, "sh", groups),
                    *("systemd-nspawn", "--boot", f"--directory={self.root}"),
                    *(f"--machine={self.name}", "--register=no", "--keep-unit"),
                    *("--private-network", "--console=pipe", *binds),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        deadline = time.monotonic() + 60
        while not self.is_up():
            if self.nspawn.poll() is not None or time.monotonic() > deadline:
                message = f"does not boot:\n{self.console.read_text()}"
                raise RuntimeError(message)
            time.sleep(0.1)

    def is_up(self) -> bool:
        """Return whether it has booted, and note which process is its first."""
        assert self.nspawn
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        for child in children.read_text().split():
            with contextlib.suppress(FileNotFoundError):
                status = Path(f"/proc/{child}/status").read_text()
                if f"NSpid:\t{child}\t1\n" in status:
                    self.leader = int(child)
                    # Fails while systemd does not answer yet.
                    state = self.run("systemctl", "is-system-running", check=False)
                    return state.stdout.strip() in {"running", "degraded"}
        return False

    def reboot(self) -> None:
        """Have it reboot itself, until all its services have started."""
        assert self.nspawn
        self.run("systemctl", "reboot", check=False)
        assert self.nspawn.wait(120) == REBOOT, self.console.read_text()
        self.boot()

    def run(
        self,
        *command: str,
        check: bool = True,
        cwd: str = "/root",
        timeout: float = 300,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root; fail with its output if it fails."""
        env = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": PATH, **env}
        result = subprocess.run(
            [
                *(
                    "nsenter",
                    f"--target={self.leader}",
                    "--all",
                    "env",
                    "--ignore-environment",
                    "--default-signal=INT",  # a shell in the background ignores it
                ),
                *(f"{name}={value}" for name, value in env.items()),
                *("env", f"--chdir={cwd}", *command),
            ],
            check=False,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
        if check:
            code = result.returncode
            assert code == 0, f"{command} ends with {code}:\n{result.stdout}"
        return result

    def read(self, path: str) -> str:
        """Return what a file in it says."""
        return self.run("cat", path).stdout

    def write(self, path: str, text: str) -> None:
        """Write a file in it; not one on a file system that it has mounted itself."""
        (self.root / path.lstrip("/")).write_text(text)

    def copy(self, source: Path, path: str) -> None:
        """Copy a directory into it; it replaces what is there."""
        target = self.root / path.lstrip("/")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def in_network(self, *command: str | Path) -> list[str | Path]:
        """Return the command that runs a command of ours in its network."""
        return ["nsenter", f"--target={self.leader}", "--net", *command]

    @contextlib.contextmanager
    def network(self) -> Generator[None]:
        """Let sockets that this thread makes belong to its network."""
        with Path("/proc/thread-self/ns/net").open() as ours:
            with Path(f"/proc/{self.leader}/ns/net").open() as its:
                enter(its.fileno())
            try:
                yield
            finally:
                enter(ours.fileno())


def enter(namespace: int) -> None:
    """Put this thread into a network namespace (os.setns, from Python 3.12 on)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
