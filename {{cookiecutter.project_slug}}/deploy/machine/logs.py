"""The logs of what has failed."""

import contextlib
from collections.abc import Generator

from .commands import run
from .messages import (
    DeployError,
    Interrupted,
    NginxError,
    ServiceError,
    complain,
    say,
)
from .names import LOGS, own


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
