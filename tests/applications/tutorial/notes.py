import re

from flask import Blueprint
from flask import abort
from flask import flash
from flask import g
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for

from .auth import needs_login
from .db import get_db

bp = Blueprint("notes", __name__)

# An escape of old times, which Python warns of.
UNDERSCORES = re.compile("\_+")


@bp.route("/")
def index():
    notes = (
        get_db()
        .execute(
            "SELECT note.id, text, author, name FROM note JOIN member ON author = member.id"
        )
        .fetchall()
    )
    return render_template("notes/index.html", notes=notes)


@bp.route("/write", methods=("GET", "POST"))
@needs_login
def write():
    if request.method == "POST":
        text = UNDERSCORES.sub(" ", request.form["text"]).strip()
        if text:
            db = get_db()
            db.execute(
                "INSERT INTO note (text, author) VALUES (?, ?)", (text, g.member["id"])
            )
            db.commit()
            flash("Saved.")
            return redirect(url_for("notes.index"))
        flash("A note needs a text.", "error")
    return render_template("notes/write.html")


@bp.route("/<int:id>/delete", methods=("POST",))
@needs_login
def delete(id):
    db = get_db()
    note = db.execute("SELECT * FROM note WHERE id = ?", (id,)).fetchone()
    if note is None:
        abort(404, f"There is no note {id}.")
    if note["author"] != g.member["id"]:
        abort(403)
    db.execute("DELETE FROM note WHERE id = ?", (id,))
    db.commit()
    return redirect(url_for("notes.index"))
