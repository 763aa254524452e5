"""The sample pages. Your views go here, or into further blueprints."""

from flask import Blueprint, Flask, current_app, render_template

bp = Blueprint("pages", __name__)


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(bp)


@bp.get("/")
def home() -> str:
    """Show the home page."""
    return render_template("home.html", environment=current_app.config["ENV"])
