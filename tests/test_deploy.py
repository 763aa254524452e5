"""The deploy files, by the tools that will read them, and what happens to a mistake."""

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import crossplane
import pytest

from tests.conftest import Bake
from tests.projects import PYTHON, SERVERS, Project

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="projects are deployed on Linux, by its tools"
)

LONG = "a-name-as-long-as-is-allowed30"
ANSWERS = list(
    itertools.product(SERVERS, ["no", "yes", "proxy"], ["a", "order-api", LONG])
)
SCRIPTS = ["install", "rollback", "uninstall"]


def no_systemd() -> str:
    """Return why systemd-analyze cannot run here, or nothing if it can."""
    if not shutil.which("systemd-analyze"):
        return "systemd is not installed"
    if not Path("/run/systemd").exists() and not os.access("/run", os.W_OK):
        return "systemd is not running, and only root can make /run/systemd"
    return ""


NO_SYSTEMD = no_systemd()


@pytest.fixture(params=ANSWERS, ids="-".join)
def deployed(request: pytest.FixtureRequest, bake: Bake) -> Project:
    """Return a project of each server, with and without TLS, of each length of name."""
    server, https, slug = request.param
    return bake(wsgi_server=server, https=https, project_slug=slug)


def test_nginx_understands_the_sites(deployed: Project, tmp_path: Path) -> None:
    """Crossplane, which knows which directive may stand where, with what arguments."""
    shutil.copytree(deployed.path / "deploy", tmp_path, dirs_exist_ok=True)
    (tmp_path / "uwsgi_params").touch()
    main = tmp_path / "main.conf"
    main.write_text("http { include nginx.conf; include nginx-default.conf; }\n")
    parsed: dict[str, Any] = crossplane.parse(str(main), strict=True)
    errors = [str(error["error"]) for error in parsed["errors"]]
    # What crossplane does not know: the lines of a map, and directives younger than it.
    unknown = re.compile(
        r'unknown directive "(default|503||~.*|http2|https|ssl_reject_.*|[0-9.]+|::1)" '
    )
    assert [error for error in errors if not unknown.match(error)] == []


@pytest.mark.skipif(bool(NO_SYSTEMD), reason=NO_SYSTEMD)
def test_systemd_understands_the_units(deployed: Project, tmp_path: Path) -> None:
    """It exits with 0 whatever it finds, so what it prints must be nothing."""
    for ending in ("service", "socket"):
        name = f"{deployed.slug}.{ending}"
        unit = (deployed.path / "deploy" / name).read_text()
        # The command is not installed here.
        installed = f"/srv/%p/current/bin/{deployed.slug}"
        (tmp_path / name).write_text(unit.replace(installed, "/bin/true"))
    result = deployed.run(
        *("systemd-analyze", "--man=no", "verify"), *sorted(tmp_path.glob("*.s*"))
    )
    assert result.stdout == ""


@pytest.mark.skipif(bool(NO_SYSTEMD), reason=NO_SYSTEMD)
def test_the_sandbox_is_as_tight_as_the_service_can_live_in(bake: Bake) -> None:
    """0.2 by systemd's own count, of 10."""
    for server in SERVERS:
        project = bake(wsgi_server=server)
        project.run(
            *("systemd-analyze", "security", "--offline=yes", "--no-pager"),
            *("--threshold=3", f"deploy/{project.slug}.service"),
        )


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_have_no_mistake(deployed: Project, script: str) -> None:
    """Every shell can read them; shellcheck has nothing to say, with every rule on."""
    path = deployed.path / "deploy" / script
    assert os.access(path, os.X_OK)
    deployed.run("sh", "-n", path)
    if shutil.which("shellcheck"):
        deployed.run("shellcheck", "--enable=all", path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_say_what_they_do(bake: Bake, script: str) -> None:
    """With --help, for everybody and on every machine."""
    project = bake()
    said = project.run(f"deploy/{script}", "--help").stdout
    assert said.startswith(f"usage: sudo deploy/{script}")
    assert "--dry-run" in said
    wrong = subprocess.run(
        [project.path / "deploy" / script, "--no-such-option"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"usage: sudo deploy/{script}")


@pytest.mark.parametrize("database", ["none", "sqlite"])
def test_the_installer_runs_nothing_but_itself(
    database: str, bake: Bake, tmp_path: Path
) -> None:
    """Whatever is beside it or in the current directory; no file is left behind."""
    odd = tmp_path / "a 'b\n: $(c) é\udcff"
    project = bake(database=database).copy_to(odd)
    for name in ("argparse", "deploy", "json", "machine", "signal"):
        for path in (odd, project.path, project.path / "deploy"):
            if not (path / name).exists():
                (path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    (project.path / "deploy" / "__init__.py").write_text("1 / 0\n")
    before = project.files()
    elsewhere = Project(odd, project.answers)
    said = elsewhere.run(project.path / "deploy" / "install", "--help").stdout
    assert said.startswith("usage: sudo deploy/install ")
    assert project.files() == before


# What somebody may change without thinking of the other files.
MISTAKES = [
    ("waitress", "deploy/my-service.socket", "%p.sock", "other.sock"),
    ("waitress", "deploy/my-service.socket", "0600", "0666"),
    ("waitress", "deploy/my-service.socket", "Backlog=4096", "Backlog=128"),
    ("waitress", "deploy/my-service.service", "User=%p", "User=root"),
    ("waitress", "deploy/my-service.service", "settings.cfg", "settings.toml"),
    ("waitress", "deploy/my-service.service", "StopSec=45", "StopSec=20"),
    ("gunicorn", "my_service/gunicorn.conf.py", "timeout = 35", "timeout = 15"),
    ("gunicorn", "my_service/gunicorn.conf.py", "line = 8190", "line = 4094"),
    ("uwsgi", "my_service/uwsgi.ini", "mercy = 35", "mercy = 50"),
    ("uwsgi", "my_service/uwsgi.ini", "= 65535", "= 4096"),
    ("uwsgi", "deploy/nginx.conf", "uwsgi_pass ", "proxy_pass http://"),
    ("waitress", "deploy/nginx.conf", "read_timeout 30s", "read_timeout 60s"),
    ("waitress", "deploy/nginx.conf", "alias /srv/my-service/current", "alias /srv"),
    ("waitress", "deploy/nginx.conf", "= /static/installed", "/static/installed"),
    ("waitress", "deploy/nginx.conf", "location /stream/", "location /streams/"),
    ("waitress", "deploy/nginx.conf", "example.com", "example.org"),
    ("uwsgi", "deploy/nginx.conf", "_HOST $host", "_HOST $http_x_forwarded_host"),
    ("waitress", "deploy/nginx.conf", "$host$my_service_urlport", "$http_host"),
    ("waitress", "my_service/config/default.cfg", "16 * 1024", "32 * 1024"),
    ("waitress", "my_service/proxy.py", "{8,64}", "{1,64}"),
    ("waitress", "my_service/headers.py", '"nosniff"', '"other"'),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_change_in_one_file_alone_is_found(
    mistake: tuple[str, str, str, str], bake: Bake, tmp_path: Path
) -> None:
    """By the project's own tests."""
    server, file, old, new = mistake
    project = bake(wsgi_server=server)
    shutil.copytree(project.path, tmp_path, dirs_exist_ok=True)
    path = tmp_path / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    copy = Project(tmp_path, project.answers)
    with pytest.raises(AssertionError, match=r"\d failed"):
        copy.run(
            *(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            "tests/test_deploy.py",
            PYTHONPATH=str(tmp_path),
        )


@pytest.mark.parametrize("https", ["no", "yes", "proxy"])
@pytest.mark.parametrize("server", SERVERS)
def test_an_instance_has_the_sites_of_a_project_of_its_name(
    server: str, https: str, bake: Bake
) -> None:
    """Whatever the name of the project means to nginx elsewhere in the files."""
    slugs = ["a", "current", "error", "request", "run", "server-name", "upstream"]
    names = ["nginx.conf", "nginx-default.conf"]
    script = (
        "import sys; from deploy.machine import names, nginx\n"
        "names.own.use('second-one')\n"
        "print(nginx.site_of(names.HERE, sys.argv[1]), end='')\n"
    )
    answers = {"wsgi_server": server, "https": https}
    second = bake(project_slug="second-one", **answers).path / "deploy"
    for slug, name in itertools.product(slugs, names):
        first = bake(project_slug=slug, **answers)
        said = first.run(PYTHON, "-c", script, name, PYTHONPATH=str(first.path)).stdout
        assert said == (second / name).read_text()


def test_an_older_python_is_refused_in_one_line(bake: Bake) -> None:
    """`/usr/bin/python3` of an older Debian cannot import what the installer needs."""
    project = bake()
    installer = project.path / "deploy" / "installer.py"
    ast.parse(installer.read_text(), feature_version=(3, 8))
    code = (
        "import runpy, sys\n"
        "sys.version_info, sys.version = (3, 9, 2), '3.9.2 (main)'\n"
        f"runpy.run_path({str(installer)!r}, run_name='__main__')"
    )
    found = subprocess.run(
        [PYTHON, "-I", "-c", code], check=False, stderr=subprocess.PIPE, text=True
    )
    assert found.returncode == 1
    assert found.stderr == "deploy: python3: must be 3.11 or newer, not 3.9.2\n"
