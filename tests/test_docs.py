"""Every route and every setting is documented, and what documents name is there."""

import re
from dataclasses import fields
from typing import Any

import pytest

from api.app import ROUTES
from shared.settings import Settings
from tests.processes import ROOT

MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.path} {sorted(route.methods)}")
def test_every_route_is_documented(route: Any) -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("http.md", "doors.md"))
    assert any(f"`{method} {route.path}`" in text for method in route.methods - {"HEAD"})


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for setting in fields(Settings):
        default = "none" if setting.default in (None, "", ()) else f"`{setting.default}`"
        assert f"| `{setting.name.upper()}` | {default} | {setting.metadata['doc']} |" in text


def test_no_setting_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == {setting.name.upper() for setting in fields(Settings)}


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_make_targets_and_files_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for target in MAKE.findall(text) if not target.endswith("-")}
    assert named <= targets
    for file in re.findall(r"`((?:api|worker|shared|training|deploy|docs|tests)/[a-z_/.-]+\.[a-z]+)`", text):
        assert (ROOT / file).exists(), f"{document} names {file}"
