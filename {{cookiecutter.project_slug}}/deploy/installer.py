"""Install, upgrade, roll back or remove the service on this machine.

`deploy/install`, `deploy/rollback` and `deploy/uninstall` run this file as root, and so
does the command NAME-flask that it installs. Here are the commands, from the first step
to the last; `machine/` has what they are made of. Paths and ports come from the other
files here: the units and the nginx site. Everything is called by the name of the
instance, which is that of the unit here unless --name says another one.

The path of this file must stay, and `def flask` in it: NAME-flask looks for both, in
whichever release is current.
"""

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    if tuple(sys.version_info) < (3, 11):  # it cannot import what follows
        version = sys.version.partition(" ")[0]
        sys.exit(f"deploy: python3: must be 3.11 or newer, not {version}")
    # With -I, Python imports nothing from here or from the current directory. `deploy`
    # is this directory, whatever else has that name. No compiled files of root's are
    # left in a user's checkout.
    this = ModuleType("deploy")
    this.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules["deploy"] = this
    sys.dont_write_bytecode = True

{% if cookiecutter.database != 'none' %}
from deploy import database
{% endif %}
from deploy.machine import needs, owner, releases, shared, switch
from deploy.machine.commands import locked, run, signals
from deploy.machine.files import State, contains_our_paths
from deploy.machine.health import check_health, check_release
from deploy.machine.logs import Watch, explained_by
from deploy.machine.messages import DeployError, Interrupted, complain, say
from deploy.machine.names import HERE, PLAIN, UNITS, own
from deploy.machine.nginx import url_of
from deploy.machine.sites import Sites, fit_body, plan_sites, remove_sites
from deploy.machine.steps import Step, refuse, undone_by
from deploy.machine.units import (
    drop_ins,
    hosts_state,
    recorded_hosts,
    remove_units,
    sandbox,
    settings_file,
)

# --- Install, upgrade, roll back ---------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What is to serve, and how."""

    release: Path | None  # None: it has to be made
    digest: str  # of the files that it is made from
    deploy: Path  # its deploy files
    hosts: State  # the drop-in with the hosts of the instance
    sites: Sites


def plan(number: str) -> Plan:
    """Return the plan of an installation, without changing anything.

    Args:
        number: Of a release that is there, or "previous"; empty for a new one.

    Raises:
        DeployError: It cannot be done on this machine.

    """
    own.hosts = own.hosts or recorded_hosts()
    if number:
        chosen = releases.chosen_release(number)
        release: Path | None = chosen
        digest, deploy = "", chosen / "deploy"
        hosts = hosts_state(releases.package_of_release(chosen))
    else:
        digest, deploy = releases.checksum(), HERE
        hosts = hosts_state(releases.package_name())
        release = releases.complete_release(digest)
    problems = [*needs.host_problems(), *needs.python_problems()]
    problems += needs.file_problems(deploy)
    problems += owner.problems()
    problems += needs.disk_problems(build=release is None)
{% if cookiecutter.database != 'none' %}
    problems += database.problems()
{% endif %}
    sites = plan_sites(deploy) if os.geteuid() == 0 else Sites("", {}, [])
    refuse([*problems, *sites.problems, *needs.port_problems(sites.text)])
    return Plan(release, digest, deploy, hosts, sites)


def make_release(digest: str, step: Step) -> Path:
    """Return a new release, which is made of the project; none if that fails."""
    release = releases.next_release()
    with undone_by(lambda: releases.discard(release)):
        step(f"make {release}", releases.build, release, digest)
    return release


def install(number: str, step: Step) -> None:
    """Install the service or upgrade it, or go to a release that is there.

    Args:
        number: Of that release, or "previous"; empty for a new one.
        step: How steps are made.

    Raises:
        DeployError: It is not installed, and what served before serves on.

    """
    refuse([*needs.root_problems(step), *needs.requirements()])
    with locked():
        if own.undo.exists():
            step("put back what an interrupted run has changed", switch.repair)
        target = plan(number)
        shared.prepare(settings_file(target.deploy), step)
        old, watch = releases.release_at(own.current), Watch()
        if own.releases.exists() and not step.dry_run:
            releases.remove_releases(target.release)  # what failed runs have left
        if target.release:
            say(f"==> releases/{target.release.name} is there already")
        release = target.release or make_release(target.digest, step)
        with undone_by(lambda: None if target.release else releases.discard(release)):
            text = "validate the release and the settings"
            body = step(text, check_release, release, target.hosts)
            sites = fit_body(target.sites, body)
{% if cookiecutter.database != 'none' %}
            database.prepare(release, target.hosts, step, back=number == "previous")
{% endif %}
        with undone_by(lambda: switch.restore(old)), explained_by(watch):
            switch.Switch(release, target.deploy, target.hosts, sites).do(step)
            step("request it through nginx", check_health, sites.text, release)
            signals.check()
            signals.ignored = True
        step("remove older releases", switch.finish)
    if not step.dry_run:
        say(f"{own.name}: releases/{release.name} answers at {url_of(sites.text)}")


# --- Uninstall ---------------------------------------------------------------------


def stop_service() -> None:
    """Stop the service and remove its units."""
{% if cookiecutter.database != 'none' %}
    database.remove_nightly()
{% endif %}
    remove_units()


def uninstall(step: Step, *, purge: bool) -> None:
    """Remove what `install` has made.

    Args:
        step: How steps are made.
        purge: Remove settings and data, too, whoever has made them.

    Raises:
        DeployError: There is nothing to remove.

    """
    refuse(needs.root_problems(step))
    with locked():
        entry = owner.own_account()
        directories = [*filter(owner.is_own_directory, (own.etc, own.data))]
        home = owner.is_own_home()
        if not entry and not home:
            message = "is not installed: there is nothing that deploy/install has made"
            raise DeployError(message)
{% if cookiecutter.database != 'none' %}
        database.leave(step, purge=purge)
{% endif %}
        signals.ignored = True  # it is quick, and half of it would be of no use
        if contains_our_paths(UNITS / own.service):
            step(f"stop {own.name}", stop_service)
        step("remove the nginx site", remove_sites)
        keep = not purge and shared.has_files_of_owner(settings_file(HERE))
        if home:
            step(f"remove {own.home}", shutil.rmtree, own.home)
        if keep:
            say(f"==> keep the account, {own.etc} and {own.data}")
        else:
            for path in directories:
                step(f"remove {path}", shutil.rmtree, path)
            if entry:
                step(f"remove the account {own.name}", run, "userdel", own.name)
        if not step.dry_run:
            Path(f"/run/{own.name}.deploy").unlink()


# --- The command line --------------------------------------------------------------

DONE = {
    "install": "installed",
    "rollback": "rolled back",
    "uninstall": "uninstalled",
{% if cookiecutter.database != 'none' %}
    **database.DONE,
{% endif %}
}
TEXTS = {
    "install": "Install the service from this directory, or upgrade it. pip reads "
    "its own settings: /etc/pip.conf, or variables like PIP_INDEX_URL.",
    "rollback": "Go back to the release that was current before, with its units and "
    "its nginx site. Settings and data stay as they are.",
    "uninstall": "Stop the service and remove its units, nginx site, logs, releases "
    "and account. Edited settings in /etc/NAME and data in /var/lib/NAME are kept.",
{% if cookiecutter.database != 'none' %}
    **database.TEXTS,
{% endif %}
}


def parse(command: str, arguments: list[str]) -> argparse.Namespace:
    """Return the options of a command."""
    parser = argparse.ArgumentParser(
        prog=f"sudo deploy/{command}", description=TEXTS[command], allow_abbrev=False
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only print what would be done"
    )
    parser.add_argument(
        "--name",
        default=PLAIN,
        help="of the instance: account, directories, units and site [default: "
        f"{PLAIN}]",
    )
    parser.set_defaults(host=[], release="", purge=False)
    if command == "install":
        parser.add_argument(
            "--host",
            action="append",
            help="name that the instance serves, in place of those in nginx.conf; is "
            "remembered, and may be given more than once",
        )
        parser.add_argument(
            "--release",
            metavar="NUMBER",
            help="go to a release that is in /srv/NAME/releases",
        )
    if command == "uninstall":
        parser.add_argument(
            "--purge", action="store_true", help="remove settings and data, too"
        )
{% if cookiecutter.database != 'none' %}
    database.add_options(parser, command)
{% endif %}
    return parser.parse_args(arguments)


def flask(name: str, arguments: list[str]) -> None:
    """Become `flask` of an instance: as the service's user, in its sandbox.

    Args:
        name: The name of the instance.
        arguments: Those of `flask`.

    Raises:
        DeployError: It cannot be started.

    """
    own.use(name)
    if os.geteuid():
        message = "root: run it with sudo"
        raise DeployError(message)
    package = releases.package_of_release(own.current)
    settings = settings_file(own.current / "deploy")
    unit = (UNITS / own.service).read_text().replace("%p", own.name)
    command = ["systemd-run", *sandbox(unit + drop_ins()), "--pipe", "--pty"]
    command += [f"--working-directory={own.data}"]
    command += [f"--setenv={package.upper()}_CFG={settings}"]
    command += ["--", str(own.current / "bin" / "flask"), "--app", package]
    # systemd replaces variables in a command.
    command += [argument.replace("$", "$$") for argument in arguments]
    os.execvp(command[0], command)  # noqa: S606 - a shell is not wanted


def main(command: str, *arguments: str) -> int:
    """Run a command; return its exit status."""
    os.umask(0o022)
    # `su` without `-` leaves out the directories of administration.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    try:
        if command == "flask":  # --name NAME -- ARGUMENTS, by the installed command
            flask(arguments[1], [*arguments[3:]])
        options = parse(command, [*arguments])
        signals.catch()
        deploy(command, options)
    except Interrupted:
        complain("interrupted; the machine is as before")
        return 128 + signals.received
    except (DeployError, OSError) as error:
        complain(str(error))
        if command in DONE:
            complain(f"NOT {DONE[command]}")
        return 1
    return 0


def deploy(command: str, options: argparse.Namespace) -> None:
    """Run a command of this directory.

    Args:
        command: Its name.
        options: Its options.

    Raises:
        DeployError: It has not done it.

    """
    refuse(needs.name_problems(options.name, options.host))
    own.use(options.name)
    own.hosts = [*dict.fromkeys(options.host)]
    step = Step(dry_run=options.dry_run)
    if command == "uninstall":
        uninstall(step, purge=options.purge)
{% if cookiecutter.database != 'none' %}
    elif command in database.COMMANDS:
        database.COMMANDS[command](options, step)
{% endif %}
    elif command == "rollback":
        install("previous", step)
    else:
        install(options.release, step)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
