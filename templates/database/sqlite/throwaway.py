"""Databases for tests: a file for each."""

import itertools
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

# Makes a database, migrated or `empty=True`, and returns its URL.
New = Callable[..., str]


@contextmanager
def databases(directory: Path, migrate: Callable[[str], None]) -> Generator[New]:
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
