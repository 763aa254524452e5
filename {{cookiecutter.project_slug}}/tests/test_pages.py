"""The sample pages; this file goes when they go."""

from html.parser import HTMLParser

from flask.testing import FlaskClient


def test_the_home_page_uses_only_its_own_files(client: FlaskClient) -> None:
    """Each file exists, and the page has no inline script or style."""
    page = client.get("/")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    links = Links()
    links.feed(page.text)
    assert links.found
    for link in links.found:
        assert link.startswith("/")
        with client.get(link) as answer:
            assert answer.status_code == 200
    assert "<script" not in page.text
    assert "<style" not in page.text
    assert "style=" not in page.text


class Links(HTMLParser):
    """Collects the addresses that a page refers to."""

    def __init__(self) -> None:
        """Start with an empty list."""
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the addresses of a tag."""
        del tag
        self.found += [value or "" for name, value in attrs if name in {"href", "src"}]
