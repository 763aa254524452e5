"""Releases in /srv/NAME/releases.

One is complete when its `checksum` exists, which is written last and removed first.
"""

import hashlib
import os
import platform
import secrets
import shutil
import stat
import sys
import sysconfig
from pathlib import Path

from .commands import run
from .files import put, read
from .messages import DeployError
from .names import HERE, SOURCE, own
from .units import command_of

RELEASE_FILE = "installed-release.txt"  # in /static/, from nginx: names the release


def files_of(directory: Path) -> list[Path]:
    """Return the files of a directory, but for what Python keeps there."""
    paths = sorted(directory.rglob("*"))
    return [p for p in paths if p.is_file() and "__pycache__" not in p.parts]


def package_of_release(release: Path) -> str:
    """Return the name of the package in a release."""
    return (release / "static").readlink().parent.name


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


def release_at(link: Path) -> Path | None:
    """Return the release that a link leads to."""
    return own.home / link.readlink() if link.is_symlink() else None


def chosen_release(number: str) -> Path:
    """Return a release that is there.

    Raises:
        DeployError: It is not.

    """
    previous = number == "previous"
    release = release_at(own.previous) if previous else own.releases / number
    if not release or not (release / "checksum").exists():
        missing = "release to go back to" if previous else release
        message = f"there is no {missing}"
        raise DeployError(message)
    return release


def complete_release(wanted: str) -> Path | None:
    """Return the release that is made from these files, the current one first."""
    current = release_at(own.current)
    paths = own.releases.glob("*")
    found = [path for path in paths if read(path / "checksum") == wanted]
    return current if current in found else max(found, default=None)


def next_release() -> Path:
    """Return the directory of a new release."""
    numbers = [int(p.name) for p in own.releases.glob("*") if p.name.isdecimal()]
    return own.releases / str(max(numbers, default=0) + 1)


def discard(release: Path) -> None:
    """Remove a release; from the first moment on it is not complete."""
    if release.exists():
        (release / "checksum").unlink(missing_ok=True)
        shutil.rmtree(release)


def remove_releases(*others: Path | None) -> None:
    """Remove all releases but the current one, the previous one and some others."""
    keep = {release_at(own.current), release_at(own.previous), *others}
    for release in own.releases.iterdir():
        if release not in keep:
            discard(release)


def pip_wheel() -> Path:
    """Return the wheel of pip that `python3 -m venv` would install."""
    import ensurepip  # noqa: PLC0415 - Debian's python3 lacks it without python3-venv

    bundled = Path(ensurepip.__file__).parent / "_bundled"
    directory = sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled  # Debian has it
    return max(Path(directory).glob("pip-*.whl"))


def build(release: Path, digest: str) -> None:
    """Make a release from the project."""
    release.mkdir()
    scratch = release / "tmp"
    scratch.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"TMPDIR": str(scratch)}  # /tmp may be small, or noexec
    python = release / "bin" / "python"
    # To install pip as well would take as long as all the rest.
    venv = (sys.executable, "-I", "-m", "venv", "--without-pip")
    run(*venv, release, show=True, env=env)
    shutil.unpack_archive(pip_wheel(), scratch / "pip", "zip")
    env["PYTHONPATH"] = str(scratch / "pip")
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
    env["PYTHONPATH"] += f"{os.pathsep}{tools}"
    run(*pip, *options, SOURCE, show=True, env=env)
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
