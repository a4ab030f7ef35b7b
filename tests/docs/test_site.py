"""`make docs` builds a complete site, which fetches nothing from another host."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.processes import ROOT

CSS_ADDRESS = re.compile(r"""(?:@import\s+|url\()\s*["']?([^"')\s]+)""")
UNFORMATTED_LIST = re.compile(r"<p>[^<]*\n- ")


def build(project: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "properdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=50)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    built = build(ROOT, site)
    assert built.returncode == 0, built.stderr
    return site


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere(site: Path) -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert pages == {page.stem for page in site.glob("*.html")} - {"404"}


def test_a_page_outside_the_navigation_and_a_broken_link_stop_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings, _, _ = (ROOT / "properdocs.yml").read_text().partition("nav:\n")
    (tmp_path / "properdocs.yml").write_text(f"{settings}nav:\n  - Home: index.md\n")
    (tmp_path / "docs" / "index.md").write_text("# Home\n")
    (tmp_path / "docs" / "stray.md").write_text("[gone](gone.md) [no such part](index.md#gone)\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    for complaint in ('not included in the "nav"', "gone.md", "#gone"):
        assert complaint in built.stderr


def test_the_site_fetches_nothing_from_another_host(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 10
    for file in files:
        addresses = fetched_by_css(file.read_text()) if file.suffix == ".css" else fetched_by_page(file.read_text())
        assert addresses or file.suffix == ".css"
        assert not [each for each in addresses if is_foreign(each)], file


def test_lists_are_lists(site: Path) -> None:
    """GitHub starts a list in the middle of a paragraph; the site needs an empty line before it."""
    for page in site.glob("*.html"):
        assert not UNFORMATTED_LIST.search(page.read_text()), page.name


def test_another_host_would_be_found() -> None:
    page = '<script src="https://cdn.test/x.js"></script><link href="//fonts.test/a.css"><a href="https://a.test">a</a>'
    assert [each for each in fetched_by_page(page) if is_foreign(each)] == [
        "https://cdn.test/x.js",
        "//fonts.test/a.css",
    ]
    styles = '@import "https://a.test/b.css"; p { background: url(//b.test/c.png); src: url("../fonts/d.woff2") }'
    assert [each for each in fetched_by_css(styles) if is_foreign(each)] == ["https://a.test/b.css", "//b.test/c.png"]


class _Fetched(HTMLParser):
    """Collects the addresses that a browser fetches without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"src", "srcset", "data", "poster"} | ({"href"} if tag == "link" else set())
        self.addresses += [value for name, value in attrs if name in names and value]
        self.addresses += [each for name, value in attrs if name == "style" for each in fetched_by_css(value or "")]


def fetched_by_page(text: str) -> list[str]:
    parser = _Fetched()
    parser.feed(text)
    return parser.addresses


def fetched_by_css(text: str) -> list[str]:
    return CSS_ADDRESS.findall(text)


def is_foreign(address: str) -> bool:
    return bool(re.match(r"(https?:)?//", address))
