"""Every route and every setting is documented, and the files and links in the documents exist."""

import re
from dataclasses import fields
from typing import Any

import pytest

from api.app import ROUTES
from shared.config.settings import Settings
from tests.support.processes import ROOT

DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
NAMED = re.compile(
    r"`((?:api|worker|shared|training|client|deploy|docs|tests|tools|benchmarks)/(?:[a-z0-9_/.-]+\.[a-z]+|[a-z_/]*))`"
)
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")


DESCRIBED = [route for route in ROUTES if route.include_in_schema]


@pytest.mark.parametrize("route", DESCRIBED, ids=lambda route: f"{route.path} {sorted(route.methods)}")
def test_every_route_is_documented(route: Any) -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("http.md", "compat.md"))
    assert any(f"`{method} {route.path}`" in text for method in route.methods - {"HEAD"})


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for setting in fields(Settings):
        default = "none" if setting.default in (None, "", ()) else f"`{setting.default}`"
        assert f"| `{setting.name.upper()}` | {default} | {setting.metadata['doc']} |" in text


def test_no_setting_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == {setting.name.upper() for setting in fields(Settings)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_and_files_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for target in MAKE.findall(text) if not target.endswith("-")}
    assert named <= targets
    for file in NAMED.findall(text):
        assert (ROOT / file).exists(), f"{document} names {file}"


def test_every_room_is_explained_to_developers() -> None:
    text = (ROOT / "docs" / "developing.md").read_text()
    packages = (ROOT / name for name in ("api", "worker", "shared"))
    rooms = {path.parent for package in packages for path in package.rglob("__init__.py")}
    missing = {room for room in rooms if f"`{room.relative_to(ROOT)}/" not in text}
    assert missing == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere_on_github_too(document: str) -> None:
    here = ROOT / document
    for name, part in LINK.findall(FENCED.sub("", here.read_text())):
        there = here.parent / name if name else here
        assert there.exists(), f"{document} links to {name}"
        assert not part or part in parts_of(there.read_text()), f"{document} links to {name}#{part}"


def parts_of(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings: their letters, digits and hyphens."""
    headings = HEADING.findall(FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
