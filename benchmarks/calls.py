"""Call an application, and print how many microseconds a call takes.

A process of its own. The arguments: the package, the settings and the environ as JSON,
and how many calls there are to be.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from werkzeug.test import create_environ, run_wsgi_app


def main() -> None:
    """Call it without a server, with an environ that is made once."""
    package, settings, path, headers, number = sys.argv[1:]
    app = importlib.import_module(package).create_app(json.loads(settings))
    environ = create_environ(path, "http://example.com", headers=json.loads(headers))
    _, status, _ = run_wsgi_app(app.wsgi_app, environ.copy())
    assert status == "200 OK", status
    call(app.wsgi_app, environ, 100)  # warms it up
    started = time.perf_counter()
    call(app.wsgi_app, environ, int(number))
    print((time.perf_counter() - started) / int(number) * 1e6)


def call(application: Callable[..., Any], environ: dict[str, Any], number: int) -> None:
    """Call it repeatedly; the responses are not checked."""
    for _ in range(number):
        answer = application(environ.copy(), lambda *_: None)
        b"".join(answer)
        answer.close()


main()
