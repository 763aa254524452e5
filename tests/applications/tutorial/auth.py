import functools

from flask import Blueprint
from flask import flash
from flask import g
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from .db import get_db

bp = Blueprint("auth", __name__, url_prefix="/auth")


def needs_login(view):
    @functools.wraps(view)
    def wrapped(**kwargs):
        if g.member is None:
            return redirect(url_for("auth.login"))
        return view(**kwargs)

    return wrapped


@bp.before_app_request
def load_member():
    number = session.get("member")
    g.member = None
    if number is not None:
        g.member = (
            get_db().execute("SELECT * FROM member WHERE id = ?", (number,)).fetchone()
        )


@bp.route("/join", methods=("GET", "POST"))
def join():
    if request.method == "POST":
        db = get_db()
        name = request.form["name"]
        taken = db.execute("SELECT id FROM member WHERE name = ?", (name,)).fetchone()
        if taken is None:
            db.execute(
                "INSERT INTO member (name, password) VALUES (?, ?)",
                (name, generate_password_hash(request.form["password"])),
            )
            db.commit()
            flash("Welcome, %s. Please log in." % name)
            return redirect(url_for("auth.login"))
        flash("The name %s is taken." % name, "error")
    return render_template("auth/form.html", what="Join")


@bp.route("/login", methods=("GET", "POST"))
def login():
    if request.method == "POST":
        member = (
            get_db()
            .execute("SELECT * FROM member WHERE name = ?", (request.form["name"],))
            .fetchone()
        )
        if member and check_password_hash(member["password"], request.form["password"]):
            session.clear()
            session["member"] = member["id"]
            return redirect(url_for("index"))
        flash("Name or password is wrong.", "error")
    return render_template("auth/form.html", what="Log in")


@bp.route("/logout")
def logout():
    session.clear()
    return redirect(url_for("index"))
