"""The table of all versions."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import open_view
from tests.support.registries import DEFAULT
from tests.support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_each_version_has_a_row_with_its_accuracy_and_its_workers(page: Page, system: System) -> None:
    open_view(page, "models")
    rows = page.locator("#model-rows tr")
    expect(rows).to_have_count(sum(map(len, system.http.get("/status").json()["models"].values())))
    default = rows.filter(has=page.get_by_role("rowheader", name=DEFAULT.ref, exact=True))
    expect(default).to_contain_text("default")
    expect(default).to_contain_text("of 10,000")
    expect(default).to_contain_text(re.compile(r"1 of \d workers?"))
