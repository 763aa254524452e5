"""Have others judge the template and the projects that it renders; print one table.

Who judges what is in `judges/judges.toml`. They judge in a network of their own, where
nothing outside can be reached: this runs as root, or where users may make namespaces.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import with_trial
from tests.e2e.plain import serve
from tests.projects import (
    ANSWERS,
    PYTHON,
    ROOT,
    SERVERS,
    Project,
    bake,
    clean_environment,
)

JUDGES = ROOT / "judges"
BINARIES = [PYTHON.parent, JUDGES / "node_modules" / ".bin"]
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")  # out of reach
ENVIRONMENT = {k: v for k, v in clean_environment().items() if k not in PROXIES} | {
    "CHROME_PATH": shutil.which("chromium") or shutil.which("google-chrome") or "",
    "JUDGES": str(JUDGES),
    "NO_COLOR": "1",
    "PATH": ":".join([*map(str, BINARIES), os.environ["PATH"]]),
}

# The pages that a service shows: a name, the request, the status of the answer.
PAGES = [
    ("home", "GET", "/", 200),
    ("none", "GET", "/none", 404),
    ("method", "POST", "/", 405),
    ("crash", "GET", "/trial/crash", 500),
    ("error", "GET", "/static/none", 404),
]


@dataclass(frozen=True)
class Target:
    """A directory that is judged, and the environment variables of its judges."""

    group: str
    name: str
    path: Path
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Judge:
    """A row of the table; `judges/judges.toml` says what the fields are."""

    name: str
    judges: list[str]
    command: str
    finding: str = "^.+"
    mark: str = ""
    at_least: float | None = None
    at_most: float = 0

    def judge(self, target: Target) -> float | None:
        """Return the score, or none from one that cannot judge; print what is wrong."""
        result = subprocess.run(
            ["sh", "-c", self.command],
            check=False,
            cwd=target.path,
            env=ENVIRONMENT | target.environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=300,
        )
        found = re.findall(self.mark or self.finding, result.stdout, re.MULTILINE)
        scores = [float(mark) for mark in found] if self.mark else [len(found)]
        score = self.total(scores)
        if result.returncode and self.is_perfect(score):
            score = None  # what made it fail was no finding
        if not self.is_perfect(score):
            print(f"--- {self.name}: {target.name}\n{result.stdout}", flush=True)
        return score

    def total(self, scores: Sequence[float | None]) -> float | None:
        """Return how many findings there are, or the worst mark; none if one lacks."""
        known = [score for score in scores if score is not None]
        if not known or len(known) < len(scores):
            return None
        if not self.mark:
            return sum(known)
        return max(known) if self.at_least is None else min(known)

    def is_perfect(self, score: float | None) -> bool:
        """Return whether a score is as good as it has to be."""
        if score is None:
            return False
        return (
            score <= self.at_most if self.at_least is None else score >= self.at_least
        )

    def row(self, score: float | None) -> str:
        """Return its line of the table."""
        said = "none" if score is None else f"{score:g}"
        perfect = f"≤ {self.at_most:g}" if self.at_most else "0"
        if self.at_least is not None:
            perfect = f"≥ {self.at_least:g}"
        remark = "" if self.is_perfect(score) else "  <-- see above"
        return (
            f"{self.name:<36} {said:>5}  {perfect:<7}  {', '.join(self.judges)}{remark}"
        )


Verdict = tuple[Judge, float | None]


def go_offline() -> None:
    """Start this again in a network of its own, with the rights of root in there."""
    command = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        command.append("--map-root-user")
    command += [sys.executable, "-m", "scripts.judge", "offline"]
    os.execvp(command[0], command)  # noqa: S606


def name_this_machine(hosts: Path, name: str) -> None:
    """Have a name mean this machine, as long as this lives and nowhere else."""
    hosts.write_text(f"127.0.0.1 localhost {name}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ["LOGNAME"] = "root"  # whoever it is outside


def add_to_git(directory: Path) -> None:
    """Make a directory a repository: some judges look at what is in there only."""
    for command in (["init"], ["add", "--all"]):
        subprocess.run(
            ["git", *command], check=True, cwd=directory, capture_output=True
        )


def copy_template(directory: Path) -> None:
    """Copy the template as it stands, without what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)
    for name in listing.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    add_to_git(directory)


def bake_in_git(directory: Path, **answers: str) -> Project:
    """Return a project from some answers, and the defaults, in a repository."""
    project = bake(directory, answers, hooks=False)
    add_to_git(project.path)
    return project


def build(project: Project) -> None:
    """Build the distributions of a project, in `dist`."""
    uv = PYTHON.with_name("uv")
    command = (uv, "build", "--quiet", "--no-build-isolation", "--python", PYTHON)
    project.run(*command, "--out-dir", "dist")


@contextmanager
def serving(project: Project, directory: Path) -> Generator[Target]:
    """Serve a project, until the end of the block; save its pages in `pages`."""
    project = with_trial(project, directory)
    pages = project.path / "pages"
    pages.mkdir()
    with serve(project, ports=[80, 443]) as site:
        for name, method, path, status in PAGES:
            reply = site.client.request(method, path, Accept="text/html")
            if reply.status != status:
                sys.exit(f"{method} {path}: {reply.status} in place of {status}")
            (pages / f"{name}.html").write_bytes(reply.body)
        # What nginx shows while nothing answers.
        shutil.copy(project.path / "deploy" / "maintenance.html", pages)
        environment = {
            "HOST": site.client.host,
            "SITE": f"https://{site.client.host}/",
            "NODE_EXTRA_CA_CERTS": str(site.directory / "fullchain.pem"),
        }
        yield Target("pages", directory.name, project.path, environment)


def ask(judges: list[Judge], targets: list[Target], at_once: int) -> list[Verdict]:
    """Have each judge what is his, some of them at once."""
    pairs = [(j, t) for j in judges for t in targets if t.group in j.judges]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda pair: (pair[0], pair[0].judge(pair[1])), pairs))


def judge_all(judges: list[Judge], directory: Path) -> list[Verdict]:
    """Make what is judged in a directory, and have it judged."""
    targets = [Target("template", "template", directory / "template")]
    copy_template(directory / "template")
    gitlab = bake_in_git(directory / "gitlab", ci="gitlab")
    targets.append(Target("gitlab", "gitlab", gitlab.path))
    sites = []
    for server in SERVERS:
        project = bake_in_git(directory / server, wsgi_server=server)
        build(project)
        targets.append(Target("projects", server, project.path))
        site = bake_in_git(
            directory / f"{server}-https", wsgi_server=server, https="yes"
        )
        targets.append(Target("https", f"{server}, https", site.path))
        sites.append(site)
    for database in ANSWERS["database"][1:]:
        project = bake_in_git(directory / database, database=database)
        targets.append(Target("databases", database, project.path))
    name_this_machine(directory / "hosts", str(gitlab.answers["server_name"]))
    verdicts = ask(judges, targets, at_once=os.cpu_count() or 1)
    for server, site in zip(SERVERS, sites, strict=True):
        with serving(site, directory / f"{server}-pages") as target:
            # One at a time: Lighthouse measures how long things take.
            verdicts += ask(judges, [target], at_once=1)
    return verdicts


def main() -> None:
    """Print the table; end with 1 if something in it is not perfect."""
    if sys.argv[1:] != ["offline"]:
        go_offline()
    rows = tomllib.loads((JUDGES / "judges.toml").read_text())["judge"]
    judges = [Judge(**row) for row in rows]
    with tempfile.TemporaryDirectory(prefix="judge-") as name:
        verdicts = judge_all(judges, Path(name))
    perfect = True
    print(f"{'judge':<36} {'score':>5}  {'perfect':<7}  judged")
    for judge in judges:
        score = judge.total([score for other, score in verdicts if other is judge])
        if not judge.is_perfect(score):
            perfect = False
        print(judge.row(score))
    sys.exit(not perfect)


if __name__ == "__main__":
    main()
