"""The nginx sites of a release on this machine, and their log files."""

import hashlib
import re
import shutil
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from .commands import is_active, run
from .files import State, contains_our_paths, look, put, read
from .names import AVAILABLE, ENABLED, LOGS, NGINX, own
from .nginx import connection_problems, directives, error_of, others_of, site_of


def has_ipv6(address: str | None = None) -> bool:
    """Return whether the kernel has IPv6, and an address of it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            if address:
                probe.bind((address, 0))
    except OSError:
        return False
    return True


def try_nginx(changes: dict[str, str | None]) -> tuple[bool, str]:
    """Have nginx check its configuration, with other files in sites-enabled.

    Args:
        changes: A text for each name in that directory; None for none.

    Returns:
        Whether it is valid, and what `nginx -T` has printed.

    """
    shutil.rmtree(own.trial, ignore_errors=True)
    sites = own.trial / ENABLED.name
    sites.mkdir(parents=True)
    try:
        for path in NGINX.iterdir():
            if path.name not in ("nginx.conf", ENABLED.name):
                (own.trial / path.name).symlink_to(path)
        main = (NGINX / "nginx.conf").read_bytes()
        main = main.replace(bytes(ENABLED), bytes(sites))
        (own.trial / "nginx.conf").write_bytes(main)
        for path in ENABLED.iterdir():
            if path.name not in changes:
                (sites / path.name).symlink_to(path)
        for name, text in changes.items():
            if text is not None:
                # nginx makes log files even for a test, and with another mode.
                text = text.replace(f"{LOGS}/{own.name}.", f"{own.trial}/")  # noqa: PLW2901
                (sites / name).write_text(text)
        result = run("nginx", "-T", "-c", own.trial / "nginx.conf", check=False)
    finally:
        shutil.rmtree(own.trial)
    return result.returncode == 0, result.stdout.replace(str(own.trial), str(NGINX))


def open_files() -> int:
    """Return how many files a process of nginx may open, unless it sets that itself."""
    options = ("--property=LimitNOFILESoft", "--value", "nginx")
    limit = run("systemctl", "show", *options, check=False).stdout.strip()
    return int(limit) if limit.isdecimal() else sys.maxsize


def is_welcome_page() -> bool:
    """Return whether the default site is the one of Debian, unchanged."""
    site = AVAILABLE / "default"
    link = ENABLED / "default"
    if not site.is_file() or not link.is_symlink() or link.resolve() != site.resolve():
        return False
    digest = hashlib.md5(site.read_bytes(), usedforsecurity=False).hexdigest()
    shown = run(
        "dpkg-query", "--show", "--showformat=${Conffiles}", "nginx-common", check=False
    )
    return digest in shown.stdout


def default_link() -> Path:
    """Return the link to our default server: the welcome page is replaced in place.

    There is no moment without a default server then, and none with two.
    """
    shared = ENABLED / "default"
    ours = {"link": str(AVAILABLE / f"{own.name}-default")}
    link = ENABLED / f"{own.name}-default"
    if look(link) is None and (look(shared) == ours or is_welcome_page()):
        return shared
    return link


@dataclass(frozen=True)
class Sites:
    """The nginx sites of a release on this machine."""

    text: str  # of the site; the default server is another one
    states: dict[Path, State]  # in the order in which nginx accepts them
    problems: list[str]


def plan_sites(deploy: Path) -> Sites:
    """Find out how nginx can serve a release, without changing anything.

    Args:
        deploy: The deploy files of the release.

    Returns:
        The sites, with what keeps nginx from serving them.

    """
    text = site_of(deploy)
    default = site_of(deploy, "nginx-default.conf")
    link = default_link()
    ours: dict[str, str | None] = {
        own.name: None,
        f"{own.name}-default": None,
        link.name: None,
    }
    valid, output = try_nginx(ours)
    if not valid:
        problem = f"nginx: its configuration is not valid: {error_of(output)}"
        return Sites(text, {}, [problem])
    version = re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", run("nginx", "-v").stdout)[0]
    host = others_of(
        output,
        ipv6=has_ipv6(),
        http2_directive=tuple(map(int, version)) >= (1, 25, 1),
    )
    text, default = host.adapt(text), host.adapt(default)
    available = AVAILABLE / f"{own.name}-default"
    states: dict[Path, State] = {AVAILABLE / own.name: {"text": text}}
    new = ours | {own.name: text}
    if directives("listen", default):
        new[link.name] = default
        states[available] = {"text": default}
        states[ENABLED / own.name] = {"link": str(AVAILABLE / own.name)}
        states[link] = {"link": str(available)}
    else:  # other sites are the default for all addresses
        states[ENABLED / own.name] = {"link": str(AVAILABLE / own.name)}
        if look(link) == {"link": str(available)}:
            states[link] = None
        else:
            del new[link.name]
        states[available] = None
    valid, output = try_nginx(new)
    problems = []
    if not valid:
        problems.append(f"nginx: it would not accept the site: {error_of(output)}")
    elif f"{ENABLED / own.name}:" not in output:
        problems.append(f"{NGINX}/nginx.conf: must include {ENABLED}/*")
    problems += connection_problems(output, text, open_files())
    conflicts = re.findall(r'conflicting server name "(\S+)" on (\S+),', output)
    problems += [
        f"nginx: another site has the server_name {name} on {address}: remove it there"
        for name, address in dict.fromkeys(conflicts)
        if name in " ".join(map(str, directives("server_name", text)))
    ]
    return Sites(text, states, problems)


def fit_body(sites: Sites, body: str | None) -> Sites:
    """Have nginx take bodies as large as the application does."""
    if body is None:
        return sites
    line = r"(?m)^(\s*client_max_body_size) .+;"
    text = re.sub(line, rf"\1 {body};", sites.text)
    states = sites.states | {AVAILABLE / own.name: {"text": text}}
    return replace(sites, text=text, states=states)


def make_logs(site: str) -> None:
    """Make the log files of nginx with the owner and mode that rotation gives them."""
    for name in re.findall(rf"{LOGS}/(\S+\.log)", site):
        log = LOGS / name
        if not log.exists():
            log.touch(0o640)
        log.chmod(0o640)
        shutil.chown(log, "www-data", "adm")


def remove_logs() -> None:
    """Remove the log files of nginx."""
    for kind in ("access", "error"):
        for log in LOGS.glob(f"{own.name}.{kind}.log*"):
            log.unlink()


def remove_sites() -> None:
    """Remove the nginx sites; put back the welcome page that they have replaced.

    The default server first: it uses variables of the other one.
    """
    names = (f"{own.name}-default", own.name)
    welcome = AVAILABLE / "default"
    shared = ENABLED / "default"
    ours: State = {"link": str(AVAILABLE / f"{own.name}-default")}
    if look(shared) in (ours, None) and (own.home / "welcome-page").exists():
        changes: dict[str, str | None] = dict.fromkeys(names)
        valid = welcome.exists() and try_nginx({**changes, "default": read(welcome)})[0]
        if valid:
            put(ENABLED / f"{own.name}-default", None)
        put(shared, {"link": str(welcome)} if valid else None)
    for path in (
        *(ENABLED / name for name in names),
        *(AVAILABLE / name for name in names),
    ):
        if contains_our_paths(path):
            path.unlink()
    if is_active("nginx"):
        run("systemctl", "reload", "nginx", check=False)
    remove_logs()
