"""A headless Chromium that is installed on this machine. None is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Chromium draws the suggestions below its address bar as pages of its own. Loading them for every window takes as
    # much CPU time as opening our page.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
]


def find_chromium() -> Path | None:
    """Return the path in CHROMIUM, or that of chromium or google-chrome on the PATH, or None."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return Path(found) if found else None


@contextmanager
def launched(executable: Path, *flags: str) -> Iterator[Browser]:
    """Start a browser with an empty profile. No other event loop can run in this thread while it is open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()
