"""`python -m tools.pictures.flower`: take docs/pictures/flower.png again, during a load."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, expect

from deploy.local.program import parse_procfile
from deploy.processes import free_port
from tests.browser.chromium import find_chromium, launched
from tests.support.processes import BIN, ROOT, Process
from tests.support.system import RedisServer, System, running
from tests.support.threads import repeating
from tests.support.uploads import noise, npy

PICTURE = ROOT / "docs" / "pictures" / "flower.png"
SIZE: ViewportSize = {"width": 1500, "height": 640}
JOB_IMAGES = 60_000
BATCHES = {"MAX_BATCH_IMAGES": "256"}  # as in production: test systems have smaller ones
SHOWN_FROM = 0.3  # share of the job


def main() -> None:
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium: `apt-get install chromium`, or set CHROMIUM")
    with tempfile.TemporaryDirectory() as name:
        redis = RedisServer(Path(name))
        with running(redis.new_url(), 2, BATCHES) as system, launched(executable) as browser:
            port = free_port()
            command = parse_procfile((ROOT / "Procfile").read_text())["flower"]
            environ = {**system.environ, "FLOWER_PORT": str(port), "PATH": f"{BIN}:{os.environ['PATH']}"}
            flower = Process(["sh", "-c", f"exec {command}"], environ)
            flower.wait_for_line("Visit me at")
            for worker in system.workers.values():
                worker.wait_for_line("Events of group {task} enabled")
            with loaded(system):
                take(browser, f"http://127.0.0.1:{port}/tasks")
            flower.stop()
        redis.process.stop()


@contextmanager
def loaded(system: System) -> Iterator[None]:
    """Keep the system in the middle of a job, with singles at the same time."""
    body = npy(noise(JOB_IMAGES))
    with repeating(lambda _: system.http.get("/mnist/classify/7"), threads=8):
        job = system.submit(content=body, headers={"Content-Type": "application/x-npy"})
        while system.http.get(f"/results/{job}").json()["progress"] < SHOWN_FROM:
            pass
        yield
    system.http.delete(f"/results/{job}")


def take(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto(url)
    expect(page.locator("#tasks-table tbody")).to_contain_text("interactive", timeout=30_000)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {image.width}×{image.height}, {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
