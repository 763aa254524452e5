"""SQLite loses no update and no row."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from flask import Flask
from sqlalchemy import Column, Connection, String, func, select, text
from sqlalchemy.exc import OperationalError
from throwaway import New

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.config import ConfigError
from {{ cookiecutter.__package }}.database import session
from {{ cookiecutter.__package }}.engine import migrate
from {{ cookiecutter.__package }}.models import Note, Topic


def test_an_unreachable_directory_is_refused() -> None:
    """At start, in one line."""
    with pytest.raises(ConfigError, match=r"DATABASE_URL .*no directory /nowhere; "):
        create_app({"ENV": "testing", "DATABASE_URL": "sqlite:////nowhere/x.db"})


def test_a_file_that_is_no_database_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the wrong one."""
    path = tmp_path / "x.db"
    path.write_text("a text\n" * 1000)
    check_unusable(f"sqlite:///{path}", "not a database; restore a backup", caplog)
    assert path.read_text() == "a text\n" * 1000
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


def test_a_damaged_database_is_named(
    new_database: New, caplog: pytest.LogCaptureFixture
) -> None:
    """In the part that has the schema."""
    url = new_database()
    with Path(url.removeprefix("sqlite:///")).open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 1000)
    check_unusable(url, "malformed; restore a backup", caplog)


def test_a_file_that_cannot_be_written_is_named(
    new_database: New, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a request fails that writes."""
    monkeypatch.setattr("os.access", lambda path, _mode: str(path)[-3:] != ".db")
    check_unusable(new_database(), "let the service's user write", caplog)


def test_a_relative_file_is_in_the_instance_directory() -> None:
    """Which is made when it is needed, not before."""
    app = create_app("development")
    instance = Path(app.instance_path)
    assert not instance.exists()
    assert app.test_client().get("/readyz").status_code == 200
    assert [path.suffix for path in instance.glob("*.db")] == [".db"]
    app.extensions["engine"].dispose()


def test_a_get_that_writes_is_told_so(database_app: Flask) -> None:
    """It has no lock, and could lose what another request writes."""

    @database_app.get("/write")
    def write() -> str:
        session().add(Topic(name="x"))
        session().commit()
        return ""

    with pytest.raises(OperationalError) as caught:
        database_app.test_client().get("/write")
    assert "Only requests of other methods" in "".join(caught.value.__notes__)
    with database_app.app_context():
        assert session().scalar(select(func.count(Topic.id))) == 0


def test_updates_are_not_lost(database_app: Flask) -> None:
    """What reads and then writes has the lock from the beginning."""
    with database_app.app_context():
        session().add(Topic(name="0"))
        session().commit()

    @database_app.post("/add")
    def add() -> str:
        topic = session().scalars(select(Topic)).one()
        topic.name = str(int(topic.name) + 1)
        session().commit()
        return ""

    def post(_number: int) -> int:
        return database_app.test_client().post("/add").status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(post, range(80))) == {200}
    with database_app.app_context():
        assert session().scalars(select(Topic.name)).one() == "80"


def test_a_migration_of_a_table_keeps_the_rows_that_refer_to_it(
    database_app: Flask,
) -> None:
    """And one that leaves a row without its parent changes nothing."""
    engine = database_app.extensions["engine"]
    with database_app.app_context():
        session().add(Topic(name="one", notes=[Note(text="x")]))
        session().commit()

    def copy(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        with (
            connection.begin(),
            operations.batch_alter_table("topic", recreate="always") as batch,
        ):
            batch.add_column(Column("kind", String(10)))

    def orphan(connection: Connection) -> None:
        with connection.begin():
            connection.execute(text("DELETE FROM topic"))

    migrate(engine, copy)
    with pytest.raises(click.ClickException, match="note: row 1 refers to"):
        migrate(engine, orphan)
    with database_app.app_context():
        assert session().scalar(select(func.count(Topic.id))) == 1
        assert session().scalar(select(func.count(Note.id))) == 1
        assert session().scalar(text("PRAGMA foreign_keys")) == 1


{% include cookiecutter.__parts ~ 'test_unusable.py' %}
