"""The text of nginx sites: what it says, and how it is adapted to a machine."""

import re
from dataclasses import dataclass
from pathlib import Path

from .names import NGINX, PLAIN, own

Address = tuple[str, int]


def directives(name: str, config: str) -> list[list[str]]:
    """Return the arguments of each directive of a name in an nginx configuration."""
    config = re.sub(r"(?m)(^|\s)#.*", r"\1", config)
    found = re.findall(r"(?:^|(?<=[\s;{}]))" + name + r"\s+([^;{}]+);", config)
    return [arguments.split() for arguments in found]


def address_of(argument: str) -> Address | None:
    """Return host and port in an argument of `listen`; None for a Unix socket."""
    if argument.startswith("unix:"):
        return None
    match = re.fullmatch(r"(?:(.+):)?(\d+)", argument)
    host, port = match.groups() if match else (argument, "80")
    host = (host or "*").strip("[]")
    return "*" if host == "0.0.0.0" else host, int(port)  # noqa: S104


@dataclass(frozen=True)
class Host:
    """What a site has to be adapted to."""

    ipv6: bool = True
    http2_directive: bool = True  # nginx 1.25.1 or newer
    defaults: frozenset[Address | None] = frozenset()  # that have a default server
    dual: frozenset[int] = frozenset()  # ports of `listen [::]:… ipv6only=off`

    def adapt(self, site: str) -> str:
        """Return a site without the lines that this machine would not accept."""
        lines = [self.adapt_line(line) for line in site.splitlines(keepends=True)]
        return "".join(lines)

    def adapt_line(self, line: str) -> str:
        """Return a line of the site; nothing if it is not for this machine."""
        if not self.http2_directive and line.strip() == "http2 on;":
            return ""
        for first, *others in directives("listen", line):
            address = address_of(first)
            host, port = address or ("", 0)
            if (
                (":" in host and not self.ipv6)
                or (host == "*" and port in self.dual)
                or ("default_server" in others and address in self.defaults)
            ):
                return ""
            if not self.http2_directive and "ssl" in others:
                return line.replace(";", " http2;")
        return line


def others_of(dump: str, **abilities: bool) -> Host:
    """Return what to adapt to, from the other sites as `nginx -T` prints them."""
    found = [(address_of(first), rest) for first, *rest in directives("listen", dump)]
    return Host(
        **abilities,
        defaults=frozenset(
            address
            for address, rest in found
            if not {"default", "default_server"}.isdisjoint(rest)
        ),
        dual=frozenset(
            address[1] for address, rest in found if address and "ipv6only=off" in rest
        ),
    )


LONG = 46  # characters of a host name that nginx's default hash can take

# What stands before the name of the instance in nginx files; elsewhere it is a word.
BEFORE_NAME = (
    "/srv/|/etc/|/sites-available/|/log/nginx/|access[.]log |shared:|"
    r"_pass (?:http://)?|\b(?:upstream |log_format |zone[ =])"
)


def site_of(deploy: Path, file: str = "nginx.conf") -> str:
    """Return a file of nginx with the name and the hosts of the instance."""
    site = (deploy / file).read_text()
    if own.name != PLAIN:
        maps = (deploy / "nginx.conf").read_text()
        old, new = (name.replace("-", "_") for name in (PLAIN, own.name))
        for variable in re.findall(rf"(?m)^(?:map|geo) .*\${old}(_\w+)", maps):
            site = re.sub(rf"\${old}{variable}\b", f"${new}{variable}", site)
        site = site.replace(f"/run/{PLAIN}/{PLAIN}.", f"/run/{own.name}/{own.name}.")
        name = rf"{PLAIN}(?![a-z0-9_]|-(?!default\b|tls\b))"
        site = re.sub(rf"({BEFORE_NAME}){name}", rf"\g<1>{own.name}", site)
    if own.hosts:
        # A long one is a regular expression: see server_name of nginx.
        names = " ".join(
            name if len(name) <= LONG else f"~^{name.replace('.', '[.]')}$"
            for name in own.hosts
        )
        site = re.sub(r"(?m)^( *server_name) (?!_;).+;", rf"\1 {names};", site)
    return site


def names_of(site: str) -> list[str]:
    """Return names that a site serves; long ones are regular expressions in it."""
    names = [name for line in directives("server_name", site) for name in line]
    plain = [re.sub(r"^\*?\.", "www.", re.sub(r"[]~^$[]", "", name)) for name in names]
    return list(dict.fromkeys(plain))


def scheme_of(site: str) -> str:
    """Return the scheme of the addresses that users open."""
    tls = any("ssl" in rest for rest in directives("listen", site))
    return "https" if tls or "$http_x_forwarded_proto" in site else "http"


def url_of(site: str) -> str:
    """Return the address that users open."""
    return f"{scheme_of(site)}://{names_of(site)[0]}/"


def targets_of(site: str) -> list[tuple[Address, bool]]:
    """Return where a site can be reached from this machine, and whether by TLS."""
    found = [
        (address_of(first), "ssl" in rest)
        for first, *rest in directives("listen", site)
    ]
    tls = any(tls for _, tls in found)
    local = {"*": "127.0.0.1", "::": "::1"}
    addresses = [address for address, its in found if address and its == tls]
    return [((local.get(host, host), port), tls) for host, port in addresses]


def connection_problems(dump: str, site: str, open_files: int) -> list[str]:
    """Return what keeps nginx from answering all clients in an overload.

    Without a free connection, nginx closes those of clients, without a response and
    without a line in the log of the site.

    Args:
        dump: The whole configuration, as `nginx -T` prints it.
        site: The site whose requests wait: `max_conns` of its upstream.
        open_files: The soft limit of nginx's processes (RLIMIT_NOFILE).

    """
    waiting = sum(map(int, re.findall(r"\bmax_conns=(\d+)", site)))
    # A request that waits has two connections, to its client and to the service, and
    # all can be in one process of nginx. As many clients again get 503.
    needed = 3 * waiting
    [[connections]] = directives("worker_connections", dump)[:1] or [["512"]]
    [[files]] = directives("worker_rlimit_nofile", dump)[:1] or [[str(open_files)]]
    wish = f"must be at least {needed}, because {waiting} requests may wait"
    problems = []
    if int(connections) < needed:
        problems.append(
            f"nginx: worker_connections: {wish}, not {connections}; run: sudo sed -i "
            f"'s/worker_connections .*/worker_connections 8192;/' {NGINX}/nginx.conf"
        )
    if int(files) < needed:
        line = "'worker_rlimit_nofile 20000;'"
        problems.append(
            f"nginx: worker_rlimit_nofile: {wish}, not {files}; run: "
            f"echo {line} | sudo tee {NGINX}/modules-enabled/90-files.conf"
        )
    return problems


def error_of(output: str) -> str:
    """Return the first error that nginx has printed."""
    errors = re.findall(r"\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.+)", output)
    return errors[0] if errors else output.strip().rpartition("\n")[2]
