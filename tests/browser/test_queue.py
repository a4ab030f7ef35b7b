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


def test_a_rate_of_several_versions_is_not_compared_with_the_capacity_of_one(page: Page, system: System) -> None:
    system.http.get("/mnist/classify/1")
    status = system.http.get("/status").json()
    (worker,) = status["workers"]
    name, version = next(iter(worker["models"].items()))  # tests before this one may have loaded others
    worker["last_batch"] = {"model": name, "images": 1, "finished_s": 0.0, "took_ms": 1.0}
    worker["models"] = {
        name: version | {"images_per_s": 1000, "idle_s": 0.1},
        "small@1": version | {"images_per_s": 50_000, "idle_s": 0.0},
        "large@1": version | {"images_per_s": 10, "idle_s": 60.0},
    }
    worker["recent_images_per_s"] = status["recent"]["images_per_s"] = 9000.0
    page.route(re.compile(r"/status$"), lambda route: route.fulfill(json=status))
    open_view(page, "queue")
    expect(page.locator("#workers")).to_contain_text("9,000 images/s with 2 versions")
    expect(page.locator("#figures")).to_contain_text(f"with {name}, small@1")
    expect(page.locator("#view-queue")).not_to_contain_text("of about")


def test_its_button_puts_the_test_set_into_the_queue(page: Page) -> None:
    open_view(page, "queue")
    page.locator("#load").click()
    expect(page.locator("#load-tally")).to_contain_text("read in", timeout=90_000)
