"""Databases for tests: a file for each."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class New(Protocol):
    """Makes a database, and returns its URL."""

    def __call__(self, *, empty: bool = False) -> str:
        """Return the URL of an empty database, or of a migrated one."""


@contextmanager
def databases(directory: Path, migrate: Callable[[str], None]) -> Iterator[New]:
    """Yield a function that makes a database and returns its URL.

    Args:
        directory: An empty directory.
        migrate: Migrates the database of a URL; the others are copies of it.

    """
    numbers = itertools.count()
    migrated = directory / "migrated.db"
    migrate(f"sqlite:///{migrated}")

    def new(*, empty: bool = False) -> str:
        path = directory / f"{next(numbers)}.db"
        if not empty:
            shutil.copy(migrated, path)
        return f"sqlite:///{path}"

    yield new
