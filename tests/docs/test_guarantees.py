"""Every drill and test that docs/guarantees.md names exists."""

import re
from dataclasses import fields

import pytest

from shared.config.settings import Settings
from tests.support.processes import ROOT
from tools.faults.drills.run import DRILLS

PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED_DRILLS = re.findall(r"drill `([^`]+)`", PAGE)
NAMED_TESTS = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)


def test_every_drill_that_the_page_names_exists() -> None:
    assert NAMED_DRILLS
    assert set(NAMED_DRILLS) <= set(DRILLS), sorted(set(NAMED_DRILLS) - set(DRILLS))


def test_every_drill_is_on_the_page() -> None:
    assert set(DRILLS) <= set(NAMED_DRILLS), f"docs/guarantees.md lacks {sorted(set(DRILLS) - set(NAMED_DRILLS))}"


@pytest.mark.parametrize(("path", "name"), NAMED_TESTS, ids=[name for _, name in NAMED_TESTS])
def test_every_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_every_setting_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]{5,})`", PAGE))
    assert named <= {field.name.upper() for field in fields(Settings)}


def test_every_guarantee_in_a_list_names_its_proof() -> None:
    promises, _, _ = PAGE.partition("## What Redis must be set to")
    lines = [line for line in promises.splitlines() if line.startswith("- **")]
    assert len(lines) > 20
    assert [line for line in lines if "drill `" not in line and "::" not in line] == []
