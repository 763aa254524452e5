import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for

from app import db
from app.models import Post, User

bp = Blueprint("blog", __name__, url_prefix="/blog")


@bp.route("/", methods=["GET", "POST"])
def index():
    if request.method == "POST":
        user = db.session.scalar(
            sa.select(User).where(User.name == request.form["name"])
        )
        if user is None:
            flash("Invalid name")
            return redirect(url_for("blog.index"))
        db.session.add(Post(body=request.form["body"], author=user))
        db.session.commit()
        return redirect(url_for("blog.index"))
    posts = db.session.scalars(sa.select(Post).order_by(Post.timestamp.desc()))
    return render_template("blog/index.html", posts=posts)
