"""What a reverse proxy adds to a request counts, and only behind a proxy."""

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from {{ cookiecutter.__package }} import create_app
from {{ cookiecutter.__package }}.proxy import LONGEST_WAIT


@pytest.fixture
def app() -> Flask:
    """Return an application behind a proxy."""
    return create_app({"TESTING": True, "PROXY_HOPS": 1})


@pytest.mark.parametrize(("waited", "status"), [(0, 200), (LONGEST_WAIT + 1, 503)])
def test_only_what_has_waited_too_long_is_refused(
    waited: int, status: int, client: FlaskClient
) -> None:
    """As nginx says when it passed the request on, in seconds."""
    headers = {"X-Request-Start": f"{time.time() - waited:.3f}"}
    answer = client.get("/", headers=headers)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == (None if status == 200 else "5")


@pytest.mark.parametrize("start", ["", "nonsense", "nan", "inf", "9" * 400])
def test_a_start_that_is_no_time_counts_for_nothing(
    start: str, client: FlaskClient
) -> None:
    """Another proxy may count otherwise, or not at all."""
    assert client.get("/", headers={"X-Request-Start": start}).status_code == 200


def test_without_a_proxy_nobody_says_how_long_a_request_has_waited() -> None:
    """A client cannot know it."""
    client = create_app("testing").test_client()
    assert client.get("/", headers={"X-Request-Start": "1"}).status_code == 200
