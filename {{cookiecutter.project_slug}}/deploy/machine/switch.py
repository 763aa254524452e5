"""The switch from what serves to another release, and the way back.

Before anything that serves is changed, the state of all of it is saved in
/srv/NAME/undo.json, which is removed when the new release has answered. A failure or a
signal restores that state at once; after SIGKILL or a power cut, the next run does.
"""

import contextlib
import json
from collections.abc import Generator
from pathlib import Path

from .commands import is_active, run, signals
from .files import State, look, put, read, remove_empty
from .health import check_health
from .messages import DeployError, Interrupted, NginxError, ServiceError, complain, say
from .names import AVAILABLE, ENABLED, NGINX, UNITS, own
from .nginx import names_of
from .releases import release_at, remove_releases
from .sites import Sites, make_logs, remove_logs
from .steps import Step
from .units import command_state, restart, restarted


@contextlib.contextmanager
def failing_as(kind: type[DeployError]) -> Generator[None]:
    """Have a failure in the block say what has failed, so that its log is shown."""
    try:
        yield
    except Interrupted:
        raise
    except DeployError as error:
        raise kind(str(error)) from error


class Switch:
    """The change from what serves to a release; it can be put back."""

    def __init__(self, release: Path, deploy: Path, hosts: State, sites: Sites) -> None:
        """Plan the change.

        Args:
            release: What is to serve.
            deploy: Its deploy files.
            hosts: The drop-in with the hosts of the instance.
            sites: How nginx can serve it.

        """
        self.release, self.sites = release, sites
        self.old = release_at(own.current)
        socket = next(deploy.glob("*.socket"))
        self.units = {
            UNITS / own.socket: look(socket),
            UNITS / own.service: look(socket.with_suffix(".service")),
            own.hosts_file: hosts,
            own.command: command_state(),
        }
        self.links: dict[Path, State] = {}
        if self.old != release:
            if self.old:
                self.links[own.previous] = {"link": f"releases/{self.old.name}"}
            self.links[own.current] = {"link": f"releases/{release.name}"}

    def save(self) -> None:
        """Save what serves now, for `put_back`."""
        paths = [*self.units, *self.links, *self.sites.states]
        paths += [ENABLED / "default", UNITS / "multi-user.target.wants/nginx.service"]
        files = {str(path): look(path) for path in dict.fromkeys(paths)}
        saved = {"files": files, "nginx": is_active("nginx")}
        put(own.undo, {"text": json.dumps(saved, indent=1)})

    def do(self, step: Step) -> None:
        """Change to the release, if that is not what serves."""
        units = {path for path, state in self.units.items() if look(path) != state}
        sites = {
            path for path, state in self.sites.states.items() if look(path) != state
        }
        start = bool(units or self.links) or not is_active(own.service)
        load = bool(sites) or not is_active("nginx")
        if not step.dry_run and (start or load):
            self.save()
        if start:
            step("install the units", self.install_units)
            if self.links:
                step(f"make releases/{self.release.name} the current one", self.link)
            step(f"start {own.name}", self.start, *restarted(units))
        if load:
            names = " ".join(names_of(self.sites.text))
            step(f"install the nginx site for {names}", self.install_sites)
            step("load it into nginx", self.load_sites)
            if not start:  # the same setting may have changed both
                step(f"reload {own.name}", self.reload)

    def install_units(self) -> None:
        """Install the units of the release, for this and each boot."""
        for path, state in self.units.items():
            if state:
                path.parent.mkdir(exist_ok=True)
            put(path, state)
        run("systemctl", "daemon-reload")
        run("systemctl", "--quiet", "enable", own.socket, own.service)

    def link(self) -> None:
        """Make the release the current one, once the other one is recorded."""
        for path, state in self.links.items():
            put(path, state)

    @staticmethod
    def start(*units: str) -> None:
        """Start the release.

        The socket stays open meanwhile, unless its unit has changed: requests wait, and
        those in flight are answered.
        """
        with failing_as(ServiceError):
            restart(*units)

    @staticmethod
    def reload() -> None:
        """Have the service load its settings again."""
        with failing_as(ServiceError):
            run("systemctl", "reload", own.service)

    def install_sites(self) -> None:
        """Install the site; nginx accepts its configuration after each change."""
        make_logs(self.sites.text)
        if look(ENABLED / "default") != self.sites.states.get(ENABLED / "default"):
            (own.home / "welcome-page").touch()  # `uninstall` puts it back
        for path, state in self.sites.states.items():
            put(path, state)

    @staticmethod
    def load_sites() -> None:
        """Have nginx load its configuration, or start."""
        run("systemctl", "--quiet", "enable", "nginx")
        with failing_as(NginxError):
            run("nginx", "-t")
            restart("nginx", verb="reload-or-restart")


def put_back(*, certain: bool = True) -> None:
    """Restore what served before the switch that was not completed.

    Args:
        certain: What has changed can be told from the files. After a SIGKILL it cannot:
            they may be restored already, and not loaded.

    """
    if not own.undo.exists():
        return
    saved = json.loads(own.undo.read_text())
    files: dict[Path, State] = {Path(p): state for p, state in saved["files"].items()}
    first = files[UNITS / own.service] is None
    if first:
        stop = ("systemctl", "--quiet", "disable", "--now", own.socket, own.service)
        run(*stop, check=False)
    changed = {path for path in reversed(files) if put(path, files[path])}
    run("systemctl", "daemon-reload")
    remove_empty(own.hosts_file.parent)
    if first:
        remove_logs()
    elif not certain or not changed.isdisjoint(
        {own.current, UNITS / own.socket, UNITS / own.service, own.hosts_file}
    ):
        with contextlib.suppress(DeployError):  # `restore` tells whether it answers
            restart(*restarted(changed if certain else {UNITS / own.socket}))
    if not saved["nginx"]:
        run("systemctl", "stop", "nginx", check=False)
    elif not certain or any(NGINX in path.parents for path in changed):
        with contextlib.suppress(DeployError):
            restart("nginx", verb="reload-or-restart")
    own.undo.unlink()


def restore(old: Path | None) -> None:
    """Put back what served before, and tell whether it answers."""
    if not own.undo.exists():
        return
    say(f"==> put back {'releases/' + old.name if old else 'the machine'}")
    put_back()
    if old:
        try:
            check_health(read(AVAILABLE / own.name), old)
        except (DeployError, OSError) as error:
            complain(f"releases/{old.name} does not answer either: {error}")


def repair() -> None:
    """Put back what an interrupted run has changed."""
    signals.ignored = True
    put_back(certain=False)
    signals.ignored = False


def finish() -> None:
    """Take the switch as completed."""
    own.undo.unlink(missing_ok=True)
    remove_releases()
