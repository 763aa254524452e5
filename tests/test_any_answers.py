"""Whatever is typed: it is refused with a reason, or it comes out as it went in."""

import os
import tempfile
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException, OutputDirExistsException
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import UndefinedError

from tests.projects import ANSWERS, bake_literally, literal_answers

from .test_answers import HOOK, check_values
from .test_rendering import check_parses

# More on request: EXAMPLES=5000 make test-slow ARGS="-k any_answers"
EXAMPLES = int(os.environ.get("EXAMPLES", "500"))

# Words that mean something in one of the formats, between any other text.
MARKS = [
    "'",
    '"',
    "\\",
    "%",
    "$",
    "#",
    ";",
    "`",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "<",
    ">",
    "&",
    "-",
    ":",
    "[",
    "]",
    "|",
    "*",
    "%i",
]
PIECES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12),
    st.sampled_from([*MARKS, " "]),
)
GOOD = st.lists(PIECES, max_size=8).map(lambda pieces: "".join(pieces).strip() or "x")
TEXT = st.one_of(GOOD, GOOD, GOOD, GOOD, st.text(max_size=210))
GOOD_SLUG = st.from_regex(r"[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,9}){0,2}", fullmatch=True)
SLUG = st.one_of(
    *([GOOD_SLUG] * 4),
    st.text(alphabet="ab-_/.A9 ", max_size=33),
)
GOOD_HOSTS = st.from_regex(
    r"[a-z0-9]{1,20}\.[a-z]{2,5}( [a-z]{1,9}\.ex)?", fullmatch=True
)
HOSTS = st.one_of(
    *([GOOD_HOSTS] * 4),
    st.text(alphabet="ab-_.*~$;{} 9A", max_size=40),
)
ADDRESSES = st.one_of(st.just(""), st.just("a@b.example"), st.emails(), st.text())


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CI" in os.environ,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes here
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
)
@given(
    free=st.lists(TEXT, min_size=3, max_size=3),
    slug=SLUG,
    hosts=HOSTS,
    address=ADDRESSES,
    choices=st.fixed_dictionaries(
        {k: st.sampled_from(v) for k, v in ANSWERS.items() if isinstance(v, list)}
    ),
)
def test_any_answers_are_refused_or_come_out_as_they_went_in(
    free: list[str], slug: str, hosts: str, address: str, choices: dict[str, str]
) -> None:
    """Every file parses, and the values are read back from it."""
    answers = choices | {
        **dict(zip(("project_name", "description", "author_name"), free, strict=True)),
        "project_slug": slug,
        "server_name": hosts,
        "author_email": address,
    }
    try:
        full = literal_answers(**answers)
    except UndefinedError:  # Cookiecutter stops before any hook runs
        event("a path")
        assert "/" in slug or "\\" in slug or not slug.strip(" .")
        return
    problems = list(HOOK.problems(full))
    event("refused" if problems else "baked")
    if problems:
        check_refused(answers, problems)
        return
    with tempfile.TemporaryDirectory() as directory:
        project = bake_literally(Path(directory), **answers)
        check_parses(project)
        check_values(project, answers)


def check_refused(answers: dict[str, str], problems: list[str]) -> None:
    """Each line names an answer; nothing is written when cookiecutter is run."""
    for line in problems:
        assert line.split(":")[0] in answers
        assert "\n" not in line
    if Path(answers["project_slug"] or ".").name != answers["project_slug"]:
        return  # paths have a test of their own
    with tempfile.TemporaryDirectory() as directory:
        with pytest.raises((FailedHookException, OutputDirExistsException)):
            bake_literally(Path(directory), **answers)
        assert [path.name for path in Path(directory).iterdir()] == ["replay.json"]
