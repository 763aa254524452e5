"""What the user reads: lines, and errors that end a command."""

import contextlib
import sys

from .names import own


class DeployError(Exception):
    """A problem for the user to read; several are one a line."""


class NginxError(DeployError):
    """nginx does not start, or does not serve this release."""


class ServiceError(DeployError):
    """The release does not start, or does not answer."""


class Interrupted(DeployError):  # noqa: N818 - it is no error
    """A signal to stop."""


def say(text: str, *, error: bool = False) -> None:
    """Print a line; a terminal that is gone stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr if error else sys.stdout, flush=True)


def complain(text: str) -> None:
    """Print each line of a problem as one of this service."""
    for line in text.splitlines():
        say(f"{own.name}: {line}", error=True)
