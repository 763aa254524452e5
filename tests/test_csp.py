"""In a real browser: violations reach the log, and the recipes work."""

import base64
import hashlib
import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, Project, clean_environment

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium in PATH"),
]

SECONDS = 30

# Servers and layouts, mixed, and what starts them.
PRODUCTS = [
    ("waitress", "cfg", "flask"),
    ("waitress", "toml", "command"),
    ("gunicorn", "env", "command"),
    ("uwsgi", "object", "command"),
]

MODULE = '''
"""Views for a browser."""

from flask import Blueprint, Flask, render_template, render_template_string

from . import csp

bp = Blueprint("recipes", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.get("/probe")
def probe():
    return render_template("probe.html")


'''

PROBE = """<!DOCTYPE html>
<title>Probe</title>
<script>document.title = "inline"</script>
<link rel="stylesheet" href="CDN/style.css">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="">
<script src="/static/probe.js"></script>
<p style="color: red">red</p>
<script nonce="{{ csp_nonce() }}">document.body.dataset.nonce = "ran"</script>
"""

# Our own few lines, which need of the policy what the libraries need.
BOOTSTRAP_CSS = """
.btn { padding: 12px; }
.form-check-input { background-image: url("data:image/svg+xml,%3csvg/%3e"); }
"""
BOOTSTRAP_JS = """
const button = document.querySelector(".btn");
document.body.dataset.works = getComputedStyle(button).padding === "12px";
"""
HTMX_JS = """
const config = JSON.parse(document.querySelector("meta[name=htmx-config]").content);
if (config.includeIndicatorStyles !== false) {
  document.head.insertAdjacentHTML("beforeend", "<style>.x { opacity: 0 }</style>");
}
if (config.allowEval !== false) { new Function("return 1")(); }
for (const element of document.querySelectorAll("[hx-get]")) {
  fetch(element.getAttribute("hx-get")).then((r) => r.text()).then((text) => {
    element.innerHTML = text;
    document.body.dataset.works = true;
  });
}
"""
SWAGGER_CSS = """
.icon { background-image: url("data:image/svg+xml,%3csvg/%3e"); }
"""
SWAGGER_JS = """
globalThis.SwaggerUIBundle = (root) => {
  const style = document.createElement("style");
  style.textContent = "#swagger-ui { padding: 12px; }";
  document.head.append(style);
  const icon = document.createElement("img");
  icon.className = "icon";
  icon.style.width = "12px";
  icon.onload = () => { document.body.dataset.works = style.sheet !== null; };
  icon.src = "data:image/gif;base64,"
    + "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  root.append(icon);
};
"""
DASH = '''
"""Stands for Dash: its page has an inline script and inserted styles."""

import base64
import hashlib

SCRIPT = "var renderer = new DashRenderer();"
PAGE = """<!DOCTYPE html><title>Dash</title><body><p id=app>Loading...</p>
<script src="/dashboard/dash.js"></script><script>%s</script>"""
CODE = """
class DashRenderer {
  constructor() {
    const style = document.createElement("style");
    style.textContent = "#app { padding: 12px; }";
    document.head.append(style);
    const app = document.querySelector("#app");
    document.body.dataset.works = getComputedStyle(app).padding === "12px";
  }
}
"""


class html:
    Div = str


class Dash:
    def __init__(self, server, url_base_pathname):
        base = url_base_pathname
        server.add_url_rule(base, "dash", lambda: PAGE % SCRIPT)
        js = lambda: (CODE, {"Content-Type": "text/javascript"})
        server.add_url_rule(f"{base}dash.js", "dash.js", js)

    def csp_hashes(self):
        digest = hashlib.sha256(SCRIPT.encode()).digest()
        return [f"'sha256-{base64.b64encode(digest).decode()}'"]
'''

RECIPES = {
    "/bootstrap": "style-src",
    "/htmx": "",  # the packaged policy suffices
    "/docs": "img-src",
    "/dashboard/": "script-src",
}


@contextmanager
def other_origin(files: dict[str, str]) -> Generator[str]:
    """Serve files as a CDN does, and yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = next((files[end] for end in files if self.path.endswith(end)), "")
            kind = "text/css" if self.path.endswith(".css") else "text/javascript"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(project: Project, *, by_flask: bool) -> Generator[tuple[str, Path]]:
    """Serve the project as in development; yield its address and its log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["-m", project.package, "--host", "127.0.0.1", "--port", str(port)]
    if by_flask:
        command = ["-m", "flask", "--app", project.package, "run", "-p", str(port)]
    log = project.path.parent / "log"
    environment = {
        **clean_environment(),
        f"{project.prefix}ENV": "development",
        "PATH": f"{PYTHON.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(project.path),
    }
    with log.open("w") as file:
        process = subprocess.Popen(
            [PYTHON, *command],
            cwd=project.path,
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        wait_for(lambda: is_open(port), log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def is_open(port: int) -> bool:
    """Return whether something listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    """Wait until a condition holds; fail with the log if it does not."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def violations(log: Path) -> list[str]:
    """Return the lines of violations in a log."""
    lines = log.read_text().splitlines()
    return [line for line in lines if "Content-Security-Policy: " in line]


def visit(url: str, profile: Path) -> str:
    """Return the page as it is in the browser once its scripts have run."""
    assert BROWSER
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    return subprocess.run(
        [
            BROWSER,
            *options,
            f"--user-data-dir={profile}",
            "--timeout=3000",
            "--virtual-time-budget=3000",
            url,
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    ).stdout


def owned(project: Project, directory: Path, cdn: str) -> Project:
    """Return a copy of a project to which an owner has added the recipes."""
    copy = Project(directory / project.slug, project.answers)
    shutil.copytree(project.path, copy.path)
    guide = (copy.path / "docs" / "content-security-policy.md").read_text()
    recipes = guide[guide.index("## Recipes") :].replace(
        "https://cdn.jsdelivr.net", cdn
    )
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", recipes, re.MULTILINE | re.DOTALL)
    views = [text for kind, text in blocks if kind == "python"]
    pages = [text for kind, text in blocks if kind == "html"]
    assert (len(views), len(pages)) == (4, 3)
    package = copy.path / copy.package
    (package / "recipes.py").write_text(MODULE + "\n\n".join(views[:3]))
    (package / "dashboard.py").write_text(views[3])
    templates = package / "templates"
    for name, page in zip(("bootstrap", "htmx", "docs"), pages, strict=True):
        (templates / f"{name}.html").write_text(with_integrity(page))
    (templates / "probe.html").write_text(PROBE.replace("CDN", cdn))
    static = package / "static"
    (static / "probe.js").write_text('try { eval("1") } catch { }')
    (static / "htmx.min.js").write_text(HTMX_JS)
    swagger = static / "swagger-ui"
    swagger.mkdir()
    (swagger / "swagger-ui.css").write_text(SWAGGER_CSS)
    (swagger / "swagger-ui-bundle.js").write_text(SWAGGER_JS)
    (swagger / "swagger-ui-standalone-preset.js").write_text("")
    start = 'SwaggerUIBundle(document.querySelector("#swagger-ui"));'
    (swagger / "swagger-initializer.js").write_text(start)
    (copy.path / "dash.py").write_text(DASH)
    factory = package / "__init__.py"
    text = factory.read_text().replace(
        "pages, proxy", "dashboard, pages, proxy, recipes"
    )
    added = "    recipes.init_app(app)\n    dashboard.init_app(app)\n    return app"
    factory.write_text(text.replace("    return app", added))
    return copy


def with_integrity(page: str) -> str:
    """Return a page with the hashes of the files that stand for the CDN's."""
    for text, ending in ((BOOTSTRAP_CSS, r"\.css"), (BOOTSTRAP_JS, r"\.js")):
        digest = base64.b64encode(hashlib.sha384(text.encode()).digest()).decode()
        pattern = rf'({ending}" integrity=")[^"]+'
        page = re.sub(pattern, rf"\g<1>sha384-{digest}", page)
    return page


@pytest.fixture
def cdn() -> Iterator[str]:
    """Return the address of another origin."""
    with other_origin({".min.css": BOOTSTRAP_CSS, ".min.js": BOOTSTRAP_JS}) as address:
        yield address


@pytest.mark.parametrize("product", PRODUCTS, ids="-".join)
def test_violations_are_in_the_log_of_development(
    product: tuple[str, str, str], bake: Bake, cdn: str, tmp_path: Path
) -> None:
    """Each with its directive, the address, the page, and what would allow it."""
    server, layout, way = product
    project = owned(bake(wsgi_server=server, config_layout=layout), tmp_path, cdn)
    with served(project, by_flask=way == "flask") as (address, log):
        page = visit(f"{address}/probe", tmp_path / "profile")
        wait_for(lambda: len(violations(log)) >= 5, log)
    assert 'data-nonce="ran"' in page
    assert "<title>Probe</title>" in page
    probe = f"{address}/probe"
    script = f"{probe} ({address}/static/probe.js)"
    nonce = "csp_nonce() in the template, or "
    blocked = [
        ("script-src-elem", "inline", f"{probe}, line 3", nonce),
        ("style-src-elem", f"{cdn}/style.css", probe, ""),
        ("img-src", "data", probe, ""),
        ("script-src", "eval", f"{script}, line 1", ""),
        ("style-src-attr", "inline", probe, ""),
    ]
    allowed = [
        {"script-src": "'self' 'unsafe-inline'"},
        {"style-src": f"'self' {cdn}"},
        {"img-src": "'self' data:"},
        {"script-src": "'self' 'unsafe-eval'"},
        {"style-src": "'self' 'unsafe-inline'"},
    ]
    found = violations(log)
    assert len(found) == len(blocked), "\n".join(found)
    for (directive, what, where, first), setting in zip(blocked, allowed, strict=True):
        start = f"Content-Security-Policy: {directive} blocked {what} on {where}"
        [line] = [line for line in found if start in line]
        assert re.search(r", line [0-9]+; to allow it: ", line)
        way_out = f"{first}CONTENT_SECURITY_POLICY = {json.dumps(setting)}"
        assert f"to allow it: {way_out}" in line


@pytest.mark.parametrize("way", ["followed", "without"])
def test_the_recipes_work_in_a_browser(
    way: str, bake: Bake, cdn: str, tmp_path: Path
) -> None:
    """With the policies that they name there is no violation, without them there is."""
    followed = way == "followed"
    project = owned(bake(), tmp_path, cdn)
    if not followed:
        module = project.path / project.package / "csp.py"
        strict = "\nchange = lambda _: None\nchanged = lambda _: lambda view: view\n"
        module.write_text(module.read_text() + strict)
    with served(project, by_flask=True) as (address, log):
        for path, directive in RECIPES.items():
            before = len(violations(log))
            page = visit(f"{address}{path}", tmp_path / "profile")
            works = followed or not directive
            assert ('data-works="true"' in page) is works, escape(page)
            if not works:
                wait_for(lambda: len(violations(log)) > before, log)  # noqa: B023
                assert directive in "".join(violations(log)[before:])
        if followed:
            # A violation of the last page comes before those of this one.
            visit(f"{address}/probe", tmp_path / "profile")
            wait_for(lambda: len(violations(log)) >= 5, log)
            others = [line for line in violations(log) if "/probe, " not in line]
            assert [line for line in others if "/probe (" not in line] == []
