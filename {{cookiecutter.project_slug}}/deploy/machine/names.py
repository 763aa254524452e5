"""Paths, and everything that is called by the name of the instance."""

from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # deploy/
SOURCE = HERE.parent
UNITS = Path("/etc/systemd/system")
NGINX = Path("/etc/nginx")
AVAILABLE, ENABLED = NGINX / "sites-available", NGINX / "sites-enabled"
LOGS = Path("/var/log/nginx")

MARK = "made-by-deploy-install"


class Names:
    """What is called by the name of the instance, and the hosts that it is to serve.

    There is one of them, `own`, which takes the name of --name before anything else.
    """

    def __init__(self, name: str) -> None:
        """Take the name."""
        self.hosts: list[str] = []  # none: those of the release
        self.use(name)

    def use(self, name: str) -> None:
        """Take another name."""
        self.name = name
        self.service, self.socket = f"{name}.service", f"{name}.socket"
        self.hosts_file = UNITS / f"{self.service}.d" / "hosts.conf"
        self.check = f"{name}.check.service"
        self.command = Path("/usr/local/bin", f"{name}-flask")
        self.home = Path("/srv", name)
        self.mark, self.undo = self.home / MARK, self.home / "undo.json"
        self.releases = self.home / "releases"
        self.current, self.previous = self.home / "current", self.home / "previous"
        self.etc, self.data = Path("/etc", name), Path("/var/lib", name)
        self.trial = Path("/run", f"{name}.nginx")
        self.paths = (
            *("/srv/%p/current/", "/run/%p/%p.sock"),  # in a unit of this name
            *(f"/srv/{name}/current/", f"/run/{name}/{name}.sock", f"/{name}-default"),
        )


PLAIN = next(HERE.glob("*.socket")).stem  # the name of the instance without --name
own = Names(PLAIN)
