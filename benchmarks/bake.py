"""Bake: the time that it takes, with the least that Cookiecutter itself takes."""

import json
import sys
from functools import partial
from pathlib import Path

from tests.projects import ROOT

from .measure import Bar, Plan, Report, Spread, in_turn, ratio, seconds_of, table

TARGET = 1.5
BASELINE = "an empty template"
PROJECT = "{{cookiecutter.project_slug}}"


def measure(plan: Plan) -> Report:
    """Bake it and others in turn, and without what may take the time."""
    room = plan.room("bake")
    empty = make_template(room / "empty")
    hooked = make_template(room / "hooked", "pre_gen_project", "post_gen_project")
    cases = {
        BASELINE: partial(bake, plan, room, empty),
        "with two hooks that do nothing": partial(bake, plan, room, hooked),
        "this template without its hooks": partial(
            bake, plan, room, ROOT, "--accept-hooks=no"
        ),
        "this template": partial(bake, plan, room, ROOT),
    }
    for peer in plan.peers:
        cases[peer.name] = partial(bake, plan, room, peer.resolve())
    report = Report(f"Time to bake, as a multiple of {BASELINE}")
    samples = in_turn(plan.times(7), cases)
    rows = []
    for name, seconds in samples.items():
        spread = ratio(seconds, samples[BASELINE])
        target = TARGET if name == "this template" else None
        report.bars.append(Bar(name, spread, target))
        milliseconds = f"{Spread.of(seconds).median * 1e3:.0f} ms"
        rows.append({"what": name, "time": milliseconds, "ratio": str(spread)})
    report.text = table(rows)
    return report


def make_template(path: Path, *hooks: str) -> Path:
    """Make a template of one file, with hooks that do nothing."""
    (path / PROJECT).mkdir(parents=True)
    (path / PROJECT / "README.md").write_text("# {{ cookiecutter.project_slug }}\n")
    (path / "cookiecutter.json").write_text(json.dumps({"project_slug": "my-service"}))
    (path / "hooks").mkdir()
    for hook in hooks:
        (path / "hooks" / f"{hook}.py").write_text("")
    return path


def bake(plan: Plan, room: Path, template: Path, *options: str) -> float:
    """Return how many seconds it takes to bake a template."""
    config = room / "config.yaml"  # not the user's, which may hold other answers
    config.write_text(f"replay_dir: {room}/replay\ncookiecutters_dir: {room}/none\n")
    return seconds_of(
        *(sys.executable, "-m", "cookiecutter", "--no-input", *options),
        *(f"--config-file={config}", f"--output-dir={room}/out", str(template)),
        runs=plan.times(3),
        cwd=room,
        prepare=f"rm -rf {room}/out",
        # Hooks look for modules beside themselves first: in an orderly place, please.
        TMPDIR=str(room),
    )
