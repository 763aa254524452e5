"""The sample page; this file goes when it goes."""

from html.parser import HTMLParser

{% if cookiecutter.database == 'none' %}
from flask.testing import FlaskClient
{% else %}
from flask import Flask
{% endif %}


{% if cookiecutter.database == 'none' %}
def test_the_home_page_uses_only_its_own_files(client: FlaskClient) -> None:
    """Each file exists, and the page has no inline script or style."""
{% else %}
def test_the_home_page_uses_only_its_own_files(database_app: Flask) -> None:
    """Each file exists, and the page has no inline script or style."""
    client = database_app.test_client()
{% endif %}
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    page = Page()
    page.feed(answer.text)
    assert page.files
    for file in page.files:
        assert file.startswith("/")
        with client.get(file) as found:
            assert found.status_code == 200
    assert page.inline == []


class Page(HTMLParser):
    """Collects what a page refers to, and what is inline."""

    def __init__(self) -> None:
        """Start with empty lists."""
        super().__init__()
        self.files: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the addresses of files, and what the browser would refuse."""
        given = dict(attrs)
        self.files += [given[name] or "" for name in ("href", "src") if name in given]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith(("style", "on"))]
