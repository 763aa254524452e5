"""Commands of the system, signals, and one deploy command at a time."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

from .messages import DeployError, Interrupted, say
from .names import own


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
lock_files: list[int] = []  # open while `locked`


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

    Returns:
        Its exit status, and what it has printed unless that is shown.

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
    """Return whether a unit is running."""
    state = run("systemctl", "--quiet", "is-active", unit, check=False)
    return state.returncode == 0


@contextlib.contextmanager
def locked() -> Generator[None]:
    """Wait until no other deploy command of this service runs.

    Only root can take the lock; other users make dry runs.
    """
    if os.geteuid():
        yield
        return
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
