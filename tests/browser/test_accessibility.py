"""axe finds no problem in any view, light or dark, wide or narrow. Nothing scrolls sideways on a phone."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.acts import SEVEN, draw, expect_read, open_view
from tests.browser.conftest import OpenPage
from tests.support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}


def nothing(page: Page) -> None:
    pass


def drawn(page: Page) -> None:
    draw(page, SEVEN)
    expect_read(page, 7)
    page.locator("#draw-reading [data-part=other]").select_option("cnn-small@1")
    page.locator("#draw-reading [data-part=look]").click()
    expect(page.locator("#draw-reading .layer").nth(3)).to_be_visible(timeout=30_000)
    expect(page.locator("#draw-reading [data-part=compared]")).to_be_visible(timeout=30_000)


def opened(page: Page) -> None:
    open_view(page, "test-set")
    page.get_by_role("button", name="7", exact=True).click()
    page.locator("#wall canvas").first.click(position={"x": 100, "y": 60})
    expect(page.locator("#details [data-part=sure]")).to_contain_text("% sure")


def dropping(page: Page) -> None:
    open_view(page, "files")


def watching(page: Page) -> None:
    open_view(page, "queue")
    expect(page.locator("#workers .worker").first).to_be_visible()


def comparing(page: Page) -> None:
    open_view(page, "models")
    expect(page.locator("#model-rows tr").first).to_be_visible()


def asked_for_a_key(page: Page) -> None:
    page.evaluate("document.querySelector('#key-dialog').showModal()")


STATES: list[Callable[[Page], None]] = [nothing, drawn, opened, dropping, watching, comparing, asked_for_a_key]


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark phone"])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_window(
    open_page: OpenPage, system: System, scheme: str, size: dict[str, int]
) -> None:
    page = open_page(system, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("#pill-text")).to_contain_text("1 worker")
    for state in STATES:
        state(page)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{state.__name__}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], state.__name__


def test_a_person_who_prefers_no_motion_gets_none(open_page: OpenPage, system: System) -> None:
    page = open_page(system, reduced_motion="reduce")
    seconds = page.locator(".fill").first.evaluate("(fill) => getComputedStyle(fill).transitionDuration")
    assert seconds == "0s"
