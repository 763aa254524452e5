"""What all releases share: the account, its directories and the settings."""

import hashlib
import pwd
import secrets
import shutil
import stat
from pathlib import Path

from .commands import run
from .files import put, read
from .messages import DeployError
from .names import MARK, own
from .owner import COMMENT, account, is_own_directory
from .releases import package_name
from .steps import Step

MARKED = {"text": "deploy/uninstall removes this directory.\n"}


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
    """Return whether the service can read its settings."""
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


def has_files_of_owner(settings: Path) -> bool:
    """Return whether settings or data are there that `install` has not made."""
    others = [path for place in (own.etc, own.data) for path in place.rglob("*")]
    if [path for path in others if path != settings]:
        return True
    made = read(own.home / "settings.sha256").partition(" ")[0]
    return (
        settings.exists() and made != hashlib.sha256(settings.read_bytes()).hexdigest()
    )
