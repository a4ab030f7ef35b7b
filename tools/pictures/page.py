"""`python -m tools.pictures.page`: take docs/pictures/playground-*.png again, with drawn digits."""

import io
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import SEVEN, draw, expect_read, open_view
from tests.browser.chromium import find_chromium, launched
from tests.browser.elsewhere import environ_without_mnist
from tests.support.processes import ROOT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import noise, npy

PICTURES = ROOT / "docs" / "pictures"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
SLOW = "cnn-accurate@1"  # slow enough to show a job of two hundred images
SHOWN_FROM = 0.3  # share of the job
SETTLED_MS = 300  # time for the page to update
LOAD_IMAGES = 60_000


def main() -> None:
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium: `apt-get install chromium`, or set CHROMIUM")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        redis = RedisServer(folder / "redis")
        environ = environ_without_mnist(folder / "code") | {"BULK_ENTRY_IMAGES": "16", "MAX_BATCH_IMAGES": "256"}
        with running(redis.new_url(), workers=2, environ=environ) as system, launched(executable) as browser:
            assert system.http.get("/status").json()["dataset"]["name"] == "sample", "no picture of MNIST's images"
            take(browser, system)
        redis.process.stop()


def take(browser: Browser, system: System) -> None:
    drawn = opened(browser, system, viewport=DESKTOP)
    save(drawn, "draw")
    drawn.locator("#draw-reading [data-part=other]").select_option("cnn-small@1")
    expect(drawn.locator("#draw-reading [data-part=compared]")).to_be_visible(timeout=60_000)
    dark = opened(browser, system, viewport=DESKTOP, color_scheme="dark")
    dark.locator("#draw-reading [data-part=other]").select_option("cnn-small@1")
    dark.locator("#draw-reading [data-part=look]").click()
    expect(dark.locator("#draw-reading .layer").nth(3)).to_be_visible(timeout=60_000)
    expect(dark.locator("#draw-reading [data-part=compared]")).to_be_visible(timeout=60_000)
    save(dark, "dark")
    save(opened(browser, system, viewport=PHONE, device_scale_factor=2, has_touch=True), "phone")
    take_job(drawn, system)
    take_queue(drawn, system)


def opened(browser: Browser, system: System, **options: Any) -> Page:
    """Open the page, draw a seven, and wait until it is read."""
    page = browser.new_context(**options).new_page()
    page.goto(system.url)
    expect(page.locator("#pill-text")).to_contain_text("2 workers")
    draw(page, SEVEN)
    expect_read(page, 7)
    page.mouse.move(0, 0)
    return page


@contextmanager
def stopped(system: System) -> Iterator[None]:
    """Stop the workers during the `with`, to show them in the middle of their work."""
    for worker in system.workers.values():
        worker.signal(signal.SIGSTOP)
    yield
    for worker in system.workers.values():
        worker.signal(signal.SIGCONT)


def take_job(page: Page, system: System) -> None:
    open_view(page, "test-set")
    page.locator("#wall-model").select_option(SLOW)
    for last in (False, True):  # the first time, the model still loads
        page.locator("#read-all").click()
        if last:
            while page.locator("#read-progress").evaluate("(bar) => bar.value") < SHOWN_FROM:
                pass
            with stopped(system):
                page.wait_for_timeout(SETTLED_MS)
                save(page, "job")
        expect(page.locator("#tally")).to_contain_text("right", timeout=120_000)


def take_queue(page: Page, system: System) -> None:
    open_view(page, "queue")
    body = npy(noise(LOAD_IMAGES))
    for _ in range(2):
        job = system.submit(content=body, headers={"Content-Type": "application/x-npy"})
        page.wait_for_timeout(2500)
    save(page, "queue")
    system.http.delete(f"/results/{job}")


def save(page: Page, name: str) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = PICTURES / f"playground-{name}.png"
    image.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {image.width}×{image.height}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
