import pytest

from PACKAGE import create_app
from PACKAGE.db import get_db, init_db


@pytest.fixture
def app(tmp_path):
    app = create_app({"TESTING": True, "DATABASE": str(tmp_path / "notes.sqlite")})
    with app.app_context():
        init_db()
    return app


def log_in(client):
    client.post("/auth/join", data={"name": "ada", "password": "x"})
    return client.post("/auth/login", data={"name": "ada", "password": "x"})


def test_login(client):
    page = client.get("/")
    assert b"Log in" in page.data
    assert log_in(client).headers["Location"] == "/"
    assert b"ada" in client.get("/").data


def test_messages(client):
    client.post("/auth/join", data={"name": "ada", "password": "x"})
    assert b"Welcome, ada" in client.get("/auth/login").data
    page = client.post("/auth/login", data={"name": "ada", "password": "y"})
    assert b"Name or password is wrong." in page.data


def test_write_and_delete(client, app):
    assert client.get("/write").headers["Location"] == "/auth/login"
    log_in(client)
    client.post("/write", data={"text": "buy__milk"})
    assert b"buy milk" in client.get("/").data
    assert client.post("/1/delete").status_code == 302
    with app.app_context():
        assert get_db().execute("SELECT count(*) FROM note").fetchone()[0] == 0


def test_errors(client):
    log_in(client)
    response = client.post("/9/delete", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert b"There is no note 9." in response.data
    assert b"<nav>" in response.data


def test_init_db(runner, app):
    assert "The tables are there." in runner.invoke(args=["init-db"]).output
