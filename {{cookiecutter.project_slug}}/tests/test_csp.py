"""The Content-Security-Policy: the setting, one view, the nonce, and violations."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    render_template_string,
    request,
    stream_template_string,
)
from flask.testing import FlaskClient

from {{ cookiecutter.__package }} import create_app, csp
from {{ cookiecutter.__package }}.config import PREFIX, ConfigError, layout
from {{ cookiecutter.__package }}.config.policy import NAME

NONCE = "{" + "{ csp_nonce() }" + "}"
PAGE = f'<script nonce="{NONCE}"></script><i>{NONCE}</i>'
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
}


def policy_of(response: Any) -> dict[str, str]:  # noqa: ANN401 - a response of tests
    """Return the directives of a response, each with its sources."""
    [header] = response.headers.getlist("Content-Security-Policy")
    parts = (directive.strip().partition(" ") for directive in header.split(";"))
    return {name: sources for name, _, sources in parts}


def client_of(environment: str, **directives: object) -> FlaskClient:
    """Return a client of an application with a known policy."""
    names = {name.replace("_", "-"): value for name, value in directives.items()}
    policy = {**POLICY, **names}
    return create_app({"ENV": environment, NAME: policy}).test_client()


def test_the_packaged_policy_is_strict(client: FlaskClient) -> None:
    """What no directive names is refused, unless the packaged settings were changed."""
    policy = policy_of(client.get("/healthz"))
    setting = client.application.config[NAME]
    assert set(policy) == {name for name, value in setting.items() if value}


def test_a_layer_changes_the_directives_that_it_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The settings file, a variable and a mapping; the others stay strict."""
    path = tmp_path / f"settings{layout.ENDING}"
    values = {
        ".toml": "{img-src = ['https://a.example', 'data:'], font-src = 'data:'}",
        ".env": '{"img-src": ["https://a.example", "data:"], "font-src": "data:"}',
    }
    python = "{'img-src': ['https://a.example', 'data:'], 'font-src': 'data:'}"
    prefix = f"{PREFIX}_" if layout.TEXT else ""
    path.write_text(f"{prefix}{NAME}={values.get(layout.ENDING, python)}\n")
    monkeypatch.setenv(f"{PREFIX}_{NAME}", '{"style-src": "https://b.example"}')
    given = {"font-src": False, "upgrade-insecure-requests": True}
    before = policy_of(create_app("testing").test_client().get("/healthz"))
    app = create_app({"ENV": "testing", "CFG": path, NAME: given})
    after = policy_of(app.test_client().get("/healthz"))
    before.pop("font-src", None)
    assert after == {
        **before,
        "img-src": "https://a.example data:",
        "style-src": "https://b.example",
        "upgrade-insecure-requests": "",
    }


def test_without_directives_there_is_no_header(app: Flask) -> None:
    """An empty one would not be valid."""
    removed = dict.fromkeys(app.config[NAME], False)
    client = create_app({"ENV": "testing", NAME: removed}).test_client()
    assert "Content-Security-Policy" not in client.get("/healthz").headers


@pytest.mark.parametrize(
    ("directives", "problem"),
    [
        ({"scirpt-src": "*"}, "unknown directive 'scirpt-src'; did you mean script"),
        ({"img_src": "'self'"}, "did you mean img-src?"),
        ({"Img-Src": "'self'"}, "did you mean img-src?"),
        ({"x": "'self'"}, "unknown directive 'x'; known: default-src, "),
        ({1: "'self'"}, "unknown directive 1"),
        ({"img-src": 1}, "img-src: must be a string or a list of strings"),
        ({"img-src": None}, "img-src: must be a string"),
        ({"img-src": True}, "img-src: must be a string"),
        ({"img-src": [1]}, "img-src: must be a string"),
        ({"img-src": ""}, "img-src: must be a string"),
        ({"img-src": []}, "img-src: must be a string"),
        ({"img-src": {}}, "img-src: must be a string"),
        ({"img-src": "data:; script-src *"}, "without a semicolon or a comma"),
        ({"img-src": "data:, *"}, "without a semicolon or a comma"),
        ({"img-src": "data:\r\nX: y"}, "must be printable ASCII"),
        ({"img-src": "data:\x00"}, "must be printable ASCII"),
        ({"img-src": "https://m\u00fcnchen.example"}, "must be printable ASCII"),
        ({"report-uri": "/a;b"}, "must be printable ASCII"),
        ({"img-src": "self"}, "must have self in single quotes (\"'self'\")"),
        ({"img-src": '"self"'}, "must have self in single quotes"),
        ({"script-src": "unsafe-inline"}, "must have unsafe-inline in single quotes"),
        ({"script-src": "sha256-abc="}, "must have sha256-abc= in single quotes"),
        ({"script-src": "'nonce-abc'"}, "call csp_nonce() in the template"),
        ({"script-src": "'unsafe-inlin'"}, "did you mean \"'unsafe-inline'\"?"),
        ({"img-src": "data"}, "must have a colon after data"),
        ({"img-src": "'self' 'none'"}, "must have no other source beside 'none'"),
        ({"img-src": "https://a.example?b"}, "must have origins"),
        ({"img-src": "'https://a.example'"}, "must have origins"),
    ],
)
def test_an_invalid_directive_is_refused_at_start(
    directives: dict[Any, object], problem: str
) -> None:
    """One line: the name, the layer, what is valid, the value."""
    with pytest.raises(ConfigError) as error:
        create_app({"ENV": "testing", NAME: directives})
    line = str(error.value)
    assert line.startswith(f"{NAME} (create_app): ")
    assert problem in line
    assert line.isascii()
    assert len(line.splitlines()) == 1
    with pytest.raises(ValueError, match=re.escape(problem)):
        csp.changed(directives)


@pytest.mark.parametrize(
    "sources",
    [
        "'self' https://cdn.example data: blob:",
        ["*", "*.example.org", "https://*.example.org:*", "cdn.example/lib/"],
        "https://cdn.example:8443/a.js localhost:3000 ws://127.0.0.1:3000",
        "'unsafe-inline' 'unsafe-eval' 'strict-dynamic' 'report-sample'",
        ["'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "'none'",
        False,
    ],
)
def test_valid_sources_are_accepted(sources: object) -> None:
    """As the standard has them."""
    client_of("testing", script_src=sources)


def test_a_variable_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the type."""
    monkeypatch.setenv(f"{PREFIX}_{NAME}", "default-src 'self'")
    with pytest.raises(ConfigError, match=rf"^{NAME} \(variable .*must be a table of"):
        create_app("testing")


def test_a_view_changes_directives_of_its_own_policy() -> None:
    """By the decorator, or in any function that runs in the request."""
    client = client_of("testing")
    app = client.application
    before = policy_of(client_of("testing").get("/healthz"))

    @app.get("/decorated/<name>")
    @csp.changed({"img-src": ["'self'", "data:"], "font-src": "data:"})
    def decorated(name: str) -> str:
        return name

    @app.before_request
    def allow_below() -> None:
        if request.path != "/healthz":
            csp.change({"style-src": "'unsafe-inline'"})

    own = {"style-src": "'unsafe-inline'"}
    assert policy_of(client.get("/none")) == before | own
    page = client.get("/decorated/a")
    assert page.text == "a"
    changed = {"img-src": "'self' data:", "font-src": "data:"}
    assert policy_of(page) == before | own | changed
    assert policy_of(client.get("/healthz")) == before


def test_a_header_of_the_view_wins() -> None:
    """Over the decorator, and over the nonce."""
    client = client_of("testing")

    @client.application.get("/own")
    @csp.changed({"img-src": "data:"})
    def own() -> Response:
        csp.csp_nonce()
        return Response("", headers={"Content-Security-Policy": "img-src *"})

    assert policy_of(client.get("/own")) == {"img-src": "*"}


def test_a_page_that_asks_for_a_nonce_gets_its_own() -> None:
    """One for each response, for scripts and styles; other pages have none."""
    client = client_of("testing")
    app = client.application
    app.add_url_rule("/page", view_func=lambda: render_template_string(PAGE))
    nonces = set()
    with app.app_context():  # which the requests then share
        for _ in range(2):
            page = client.get("/page")
            first, second = re.findall(r'nonce="(.+?)"|<i>(.+?)<', page.text)
            assert first[0] == second[1]
            policy = policy_of(page)
            assert policy["script-src"] == f"'self' 'nonce-{first[0]}'"
            assert policy["style-src"] == f"'self' 'nonce-{first[0]}'"
            assert len(first[0]) >= 22  # 128 bits
            nonces.add(first[0])
    assert len(nonces) == 2
    assert "nonce" not in str(policy_of(client.get("/healthz")))


@pytest.mark.parametrize(
    ("directives", "scripts", "styles"),
    [
        ({"script_src": "'none'"}, "NONCE", "'self' NONCE"),
        ({"style_src": "'unsafe-inline'"}, "'self' NONCE", "'unsafe-inline'"),
        ({"script_src": False}, "NONCE", "'self' NONCE"),
        ({"script_src": False, "default_src": "*"}, "* NONCE", "'self' NONCE"),
        ({"script_src": False, "default_src": False}, None, "'self' NONCE"),
    ],
)
def test_a_nonce_allows_more_and_never_less(
    directives: dict[str, object], scripts: str | None, styles: str
) -> None:
    """Beside a nonce, browsers ignore 'unsafe-inline' and refuse 'none'."""
    client = client_of("testing", **directives)
    client.application.add_url_rule("/nonce", view_func=csp.csp_nonce)
    page = client.get("/nonce")
    policy = policy_of(page)
    nonce = f"'nonce-{page.text}'"
    assert policy.get("script-src") == (scripts and scripts.replace("NONCE", nonce))
    assert policy["style-src"] == styles.replace("NONCE", nonce)


def test_a_nonce_after_the_headers_is_refused() -> None:
    """A streamed template gets its nonce too late, unless the view has called it."""
    client = client_of("testing")
    app = client.application
    app.add_url_rule("/late", view_func=lambda: stream_template_string(PAGE))

    @app.get("/early")
    def early() -> Any:  # noqa: ANN401 - an iterator of strings
        csp.csp_nonce()
        return stream_template_string(PAGE)

    with pytest.raises(RuntimeError, match="headers were sent"):
        _ = client.get("/late").text
    page = client.get("/early")
    assert re.findall(r'nonce="(.+?)"', page.text)[0] in str(policy_of(page))


def violation(**changes: object) -> dict[str, object]:
    """Return a violation as `application/csp-report` has it."""
    return {
        "document-uri": "http://localhost/page",
        "effective-directive": "img-src",
        "blocked-uri": "data",
        "line-number": 12,
        "source-file": "http://localhost/page",
        "original-policy": "default-src 'none'; img-src 'self'; script-src 'self'",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, """img-src blocked data on http://localhost/page, line 12; """),
        ({}, """to allow it: CONTENT_SECURITY_POLICY = {"img-src": "'self' data:"}"""),
        (
            {"effective_directive": "script-src-elem", "blocked_uri": "inline"},
            "to allow it: csp_nonce() in the template, or CONTENT_SECURITY_POLICY = {",
        ),
        (
            {"effective_directive": "script-src", "blocked_uri": "eval"},
            """_POLICY = {"script-src": "'self' 'unsafe-eval'"}""",
        ),
        (
            {
                "effective_directive": "style-src-elem",
                "blocked_uri": "https://cdn.example/a.css?b",
            },
            """{"style-src": "https://cdn.example"}""",
        ),
        (
            {"effective_directive": "frame-src", "blocked_uri": "http://localhost/a"},
            """{"frame-src": "'self'"}""",
        ),
        (
            {"effective_directive": "require-trusted-types-for"},
            """{"require-trusted-types-for": false}""",
        ),
        ({"source_file": "http://a/a.js"}, "localhost/page (http://a/a.js), line 12"),
        ({"blocked_uri": "http://[x"}, "blocked http://[x on"),
        ({"document_uri": "http://a\nb\x1b[31m"}, "on http://a?b?[31m (http"),
    ],
)
@pytest.mark.parametrize("form", ["csp-report", "reports+json"])
def test_a_violation_is_logged_in_development(
    form: str,
    changes: dict[str, object],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line: directive, blocked address, page, line, and the setting."""
    found = violation(**changes)
    body: object = {"csp-report": found}
    if form == "reports+json":
        new = {"document-uri": "documentURL", "blocked-uri": "blockedURL"}
        pairs = ((new.get(name, name), value) for name, value in found.items())
        camel = {re.sub("-(.)", lambda m: m[1].upper(), k): v for k, v in pairs}
        body = [{"type": "csp-violation", "body": camel}]
    answer = client_of("development").post(
        csp.REPORTS, data=json.dumps(body), content_type=f"application/{form}"
    )
    assert answer.status_code == 204
    [record] = [record for record in caplog.records if record.name == csp.logger.name]
    assert record.levelno == logging.WARNING
    assert words in record.message
    assert record.message.isprintable()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"1", 400),
        (b"null", 400),
        (b"{}", 400),
        (b"[[]]", 400),
        (b'[{"body": 1}]', 400),
        (b'{"csp-report": [1]}', 400),
        (b"[" * 60_000, 400),
        (b"9" * 60_000, 400),
        (b"[" + b" " * 70_000 + b"]", 413),
        (b"[]", 204),
    ],
)
def test_what_is_no_report_gets_a_status_and_a_line(
    body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Never a traceback."""
    answer = client_of("development").post(csp.REPORTS, data=body)
    assert answer.status_code == status
    lines = [record for record in caplog.records if record.name == csp.logger.name]
    assert len(lines) == (status != 204)
    assert all(record.exc_info is None for record in lines)


def test_every_policy_reports_in_development() -> None:
    """That of a view, too; other endpoints for reports are for production."""
    client = client_of("development", report_to="elsewhere")
    own = {"Content-Security-Policy": "img-src *; report-uri https://a.example"}
    client.application.add_url_rule("/own", view_func=lambda: Response("", headers=own))
    expected = {"img-src": "*", "report-uri": csp.REPORTS}
    assert policy_of(client.get("/own")) == expected
    policy = policy_of(client.get("/healthz"))
    assert policy["report-uri"] == csp.REPORTS
    assert "report-to" not in policy
    mounted = client.get("/healthz", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert policy_of(mounted)["report-uri"] == f"/shop{csp.REPORTS}"


def test_the_reports_pass_what_protects_the_application() -> None:
    """Browsers send neither a login nor a CSRF token with them."""
    client = client_of("development")
    client.application.before_request(lambda: ("no", 403))
    assert client.post(csp.REPORTS, data=b"[]").status_code == 204


@pytest.mark.parametrize("environment", ["testing", "production"])
def test_there_is_no_endpoint_outside_of_development(environment: str) -> None:
    """Nor do policies name one."""
    key = "of this test, and long enough"
    config = {"ENV": environment, "SECRET_KEY": key, "TRUSTED_HOSTS": None}
    client = create_app(config).test_client()
    assert client.post(csp.REPORTS, data=b"[]").status_code == 404
    assert csp.REPORTS not in str(client.get("/healthz").headers)
