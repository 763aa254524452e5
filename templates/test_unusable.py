def check_unusable(url: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """Check what `/readyz` and the command log of a database that cannot be used."""
    app = create_app({"ENV": "testing", "DATABASE_URL": url})
    assert app.test_client().get("/healthz").status_code == 200
    assert app.test_client().get("/readyz").status_code == 503
    result = app.test_cli_runner().invoke(args=["db", "upgrade", "head"])
    app.extensions["engine"].dispose()
    records = [x for x in caplog.records if x.levelname != "INFO"]
    (logged,) = (x.message for x in records if x.message.startswith("not ready"))
    printed = result.output.splitlines()[-1]
    shown = re.sub(r":[^:@]*@", ":***@", url)
    for line in (logged, printed):
        assert f"DATABASE_URL (create_app): {shown}: " in line
        assert reason in line
    assert "hidden" not in caplog.text + result.output
