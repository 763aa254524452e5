"""The steps of a command: refused, done or undone."""

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from .commands import signals
from .messages import DeployError, say

Result = TypeVar("Result")


class Step:
    """Prints what is done, and does it unless it is a dry run."""

    def __init__(self, *, dry_run: bool) -> None:
        """Note whether it is a dry run."""
        self.dry_run = dry_run

    def __call__(
        self, text: str, action: Callable[..., Result], *args: object
    ) -> Result | None:
        """Do a step.

        Args:
            text: What it does.
            action: Does it.
            *args: For the action.

        Returns:
            What the action has returned; None in a dry run.

        """
        signals.check()
        say(f"==> {text}")
        return None if self.dry_run else action(*args)


@contextlib.contextmanager
def undone_by(undo: Callable[[], object]) -> Generator[None]:
    """Undo what the block does, if it fails or is interrupted."""
    try:
        yield
    except BaseException:
        signals.ignored = True
        undo()
        raise


def refuse(problems: Iterable[str]) -> None:
    """Stop before anything has changed, with all problems.

    Raises:
        DeployError: There are some.

    """
    if lines := list(problems):
        raise DeployError("\n".join([*lines, "nothing was changed"]))
