"""A database: what a project adds to SQLAlchemy, and what its settings of SQLite do."""

import json
import sys
from functools import partial
from pathlib import Path

from .applications import Application, rendered
from .measure import Bar, Plan, Report, Samples, Spread, in_turn, ratio, table
from .start import program

START, VIEW = 1.3, 1.2
Sides = dict[str, tuple[Application, str]]  # each with its URL
WORKERS, POSTS = 8, 100  # threads of a process, and requests of each
UPDATES = Path(__file__).with_name("updates.py")

# SQLAlchemy by hand, as its tutorial has it, with the driver's defaults.
BY_HAND = """
from flask import Flask
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Topic(Base):
    __tablename__ = "topic"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)


def create_app(config=None):
    app = Flask(__name__)
    app.config["DATABASE_URL"] = "sqlite:///by-hand.db"
    app.config.from_mapping(config or {})
    engine = create_engine(app.config["DATABASE_URL"])

    @app.post("/add")
    def add():
        with Session(engine) as session:
            topic = session.scalars(select(Topic)).first()
            topic.name = str(int(topic.name) + 1)
            session.commit()
        return ""

    return app
"""
# The same views in a project, and the first of them by hand in the project.
VIEWS = """

from functools import cache

from flask import current_app
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from .database import session
from .models import Topic


@cache
def engine():
    return create_engine(current_app.config["DATABASE_URL"])


@bp.get("/by-hand")
def by_hand():
    with Session(engine()) as session:
        return session.scalars(select(Topic)).first().name


@bp.get("/one")
def one():
    return session().scalars(select(Topic)).first().name


@bp.post("/add")
def add():
    topic = session().scalars(select(Topic)).first()
    topic.name = str(int(topic.name) + 1)
    session().commit()
    return ""
"""


def measure(plan: Plan) -> Report:
    """Start both, call a view of both, and update a number in both, in turn."""
    room = plan.room("database")
    hand, project = by_hand(room), in_project(room)
    sides: Sides = {
        "by hand": (hand, f"sqlite:///{room}/by-hand.db"),
        "the project": (project, f"sqlite:///{room}/project.db"),
    }
    insert(sides)

    report = Report("A database in a project, as a multiple of SQLAlchemy by hand")
    rows = []
    cases = {
        "start": (START, "ms", {n: partial(start, *x, plan) for n, x in sides.items()}),
        "a view with one SELECT": (
            VIEW,
            "µs",
            {
                n: partial(view, *sides["the project"], path, plan)
                for n, path in zip(sides, ("/by-hand", "/one"), strict=True)
            },
        ),
    }
    for kind, (target, unit, calls) in cases.items():
        samples = in_turn(plan.times(9), calls)
        spread = ratio(samples["the project"], samples["by hand"])
        report.bars.append(Bar(kind, spread, target))
        rows.append(
            {
                "what": kind,
                **{n: f"{Spread.of(s).median:.0f} {unit}" for n, s in samples.items()},
                "ratio": str(spread),
                "target": f"at most {target}",
            }
        )
    report.text = f"{table(rows)}\n{updates(plan, sides)}"
    return report


def by_hand(room: Path) -> Application:
    """Make the application without a project."""
    (room / "byhand").mkdir()
    (room / "byhand" / "__init__.py").write_text(BY_HAND)
    return Application(room, "byhand").compile()


def in_project(room: Path) -> Application:
    """Make a project with the same views, and its database."""
    project = rendered(room / "project", database="sqlite")
    pages = project.directory / project.package / "pages.py"
    pages.write_text(pages.read_text() + VIEWS)
    name = f"{project.package.upper()}_DATABASE_URL"
    project.env[name] = f"sqlite:///{room}/project.db"
    project.compile()
    project.python("-m", "flask", "--app", project.package, "db", "upgrade", "head")
    return project


def insert(sides: Sides) -> None:
    """Make the table where there is none, and its row."""
    for application, url in sides.values():
        code = (
            "import sys, sqlite3; c = sqlite3.connect(sys.argv[1]); "
            "c.execute('CREATE TABLE IF NOT EXISTS topic "
            "(id INTEGER PRIMARY KEY, name VARCHAR(100) UNIQUE)'); "
            "c.execute('INSERT INTO topic (name) VALUES (0)'); c.commit()"
        )
        application.python("-c", code, url.removeprefix("sqlite:///"))


def start(application: Application, url: str, plan: Plan) -> float:
    """Return how many milliseconds it takes to start."""
    create = program(application, f"create_app({{'DATABASE_URL': {url!r}}})")
    return application.seconds(sys.executable, "-c", create, runs=plan.times(5)) * 1e3


def view(application: Application, url: str, path: str, plan: Plan) -> float:
    """Return how many microseconds the view takes."""
    calls = str(UPDATES.with_name("calls.py"))
    settings = json.dumps({"DATABASE_URL": url})
    arguments = (application.package, settings, path, "{}", str(plan.times(2000)))
    return float(application.python("-P", calls, *arguments).stdout)


def updates(plan: Plan, sides: Sides) -> str:
    """Compare requests that read a number and write the next one, in threads."""

    def update(application: Application, url: str) -> tuple[float, int]:
        posts = plan.times(POSTS)
        result = application.python(
            "-P",
            str(UPDATES),
            *(application.package, url, str(WORKERS), str(posts)),
        )
        rate, lost = result.stdout.split()
        return float(rate), int(lost)

    found = in_turn(
        plan.times(5), {n: partial(update, *side) for n, side in sides.items()}
    )
    (baseline, rates), losts = (
        [[rate for rate, _ in runs] for runs in found.values()],
        [sum(lost for _, lost in runs) for runs in found.values()],
    )
    numbers: list[Samples] = [baseline, rates]
    total = plan.times(5) * WORKERS * plan.times(POSTS)
    names = ("the driver's defaults", "the project's settings")
    rows = [
        {
            "SQLite with": name,
            "requests in a second": f"{Spread.of(samples).median:.0f}",
            "ratio": str(ratio(samples, baseline)),
            "failed or lost": f"{lost} of {total}",
        }
        for name, samples, lost in zip(names, numbers, losts, strict=True)
    ]
    title = f"Requests that read a number and write the next one, in {WORKERS} threads:"
    return f"{title}\n\n{table(rows)}"
