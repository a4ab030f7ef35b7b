"""The live view of the queue."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.acts import open_view
from tests.support.system import System
from tests.support.uploads import noise, npy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

IMAGES = 30_000


def figure(page: Page, title: str) -> Locator:
    found = page.locator("#figures .figure").filter(has=page.get_by_role("heading", name=title, exact=True))
    return found.locator(".value")


def test_the_panel_moves_under_load(page: Page, system: System) -> None:
    open_view(page, "queue")
    expect(page.locator("#workers .worker .name")).to_contain_text("worker-1@")
    waiting = page.locator("#figures .figure .value").first
    expect(waiting).to_have_text("0")
    job = system.submit(content=npy(noise(IMAGES)), headers={"Content-Type": "application/x-npy"})
    expect(waiting).not_to_have_text("0")
    expect(page.locator("#pill-text")).not_to_contain_text("· 0 queued")
    expect(page.locator("#happened")).to_contain_text("more images queued for cnn")
    expect(page.locator(".legend .bulk strong")).to_contain_text("(cnn)")
    system.finished(job)
    expect(waiting).to_have_text("0")
    expect(page.locator("#workers")).to_contain_text("images in total")
    expect(page.locator("#workers")).to_contain_text("by cnn@")
    expect(figure(page, "Images per batch")).to_have_text(re.compile("^[1-9]"))  # after the next heartbeat
    expect(page.locator("#figures")).not_to_contain_text("no recent batch")
    expect(page.locator("#workers")).to_contain_text("0 of about", timeout=30_000)
    expect(page.locator("#workers .batch div")).to_have_css(
        "transform", "matrix(0, 0, 0, 1, 0, 0)"
    )  # nothing is drawn for an idle worker


def test_its_button_puts_the_test_set_into_the_queue(page: Page) -> None:
    open_view(page, "queue")
    page.locator("#load").click()
    expect(page.locator("#load-tally")).to_contain_text("read in", timeout=90_000)
