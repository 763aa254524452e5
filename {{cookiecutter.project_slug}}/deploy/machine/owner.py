"""Whose is what this machine has under the name of the instance.

Only what the installer has made is changed or removed. It is marked: the account has a
comment, /srv/NAME a file, units and sites have paths of the instance, and the group of
/etc/NAME and the owner of /var/lib/NAME are those of the account.
"""

import contextlib
import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from .commands import run
from .files import contains_our_paths
from .names import AVAILABLE, ENABLED, HERE, UNITS, own
from .units import settings_file

COMMENT = "made by deploy/install"  # of the account
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


def is_from_the_shell_installer(entry: pwd.struct_passwd) -> bool:
    """Return whether an account is of the installer before this, which set no marks.

    It made the account in this form; and it made the unit, or has left the settings.
    """
    alike = entry.pw_dir == str(own.data) and entry.pw_shell.endswith("/nologin")
    settings = settings_file(HERE)
    complete = (own.current / "checksum").exists()
    unit = complete and contains_our_paths(UNITS / own.service)
    kept = settings.exists() and settings.stat().st_gid == entry.pw_gid
    return alike and not entry.pw_gecos and (unit or kept)


def own_account() -> pwd.struct_passwd | None:
    """Return the service's account, if the installer has made it."""
    entry = account()
    if entry and (entry.pw_gecos == COMMENT or is_from_the_shell_installer(entry)):
        return entry
    return None


def is_own_home() -> bool:
    """Return whether the installer, or the one before it, has made /srv/NAME."""
    unit = contains_our_paths(UNITS / own.service)
    return own.mark.exists() or (unit and (own.current / "checksum").exists())


def is_own_directory(path: Path) -> bool:
    """Return whether /etc/NAME or /var/lib/NAME is of the account that is ours."""
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


def problems() -> Iterator[str]:
    """Yield all that has the name of the service and is not ours."""
    yield from foreign_account()
    yield from foreign_directories()
    yield from foreign_files()
