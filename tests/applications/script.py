import argparse
import os

from flask import Flask, flash, redirect, render_template, request, url_for

app = Flask(__name__)
app.config["GREETING"] = "Hello"
app.secret_key = "secret"

known = set()


@app.before_first_request
def load_names():
    with open(app.config["NAMES"], encoding="utf-8") as names:
        known.update(names.read().split())


@app.route("/")
def home():
    return render_template(
        "home.html", names=sorted(known), greeting=app.config["GREETING"]
    )


@app.route("/greet", methods=["POST"])
def greet():
    name = request.form["name"]
    if name not in known:
        flash("I do not know %s." % name, "error")
        app.logger.warning("unknown: %s", name)
    else:
        flash("%s, %s!" % (app.config["GREETING"], name))
    return redirect(url_for("home"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    args = parser.parse_args()
    app.config.from_pyfile(os.path.abspath(args.settings))
    app.run(host=args.host, port=args.port)
