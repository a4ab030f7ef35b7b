"""One Chromium for all these tests, one page per test. Requests to other hosts and console messages fail the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.browser.chromium import find_chromium, launched
from tests.support.system import System

OpenPage = Callable[..., Page]
BROWSER_TESTS = "tests/browser/"
REBOUND = "rebound.test"  # resolves to this machine
OWN_SCHEMES = {"data", "blob"}
REFUSED = "Failed to load resource"  # a browser's message for each status of 400 or above

expect.set_options(timeout=15_000)  # milliseconds; a busy machine needs more than the default of 5,000


_started = ExitStack()  # holds the browser
_browsers: list[Browser] = []


@pytest.fixture
def browser() -> Browser:
    """Return the browser, which is started for the first test that needs it."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or set CHROMIUM")
    if not _browsers:
        _browsers.append(_started.enter_context(launched(executable, f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")))
    return _browsers[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Close the browser after the last test here: while Playwright runs, other tests could not run an event loop."""
    if nextitem is None or not nextitem.nodeid.startswith(BROWSER_TESTS):
        _started.close()
        _browsers.clear()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(system, path, **options)` opens the page in a new context with Playwright's options."""
    contexts = []
    faults: list[str] = []

    def open_(system: System, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        listen(page, urlsplit(system.url).netloc, faults)
        page.goto(system.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def listen(page: Page, host: str, faults: list[str]) -> None:
    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.netloc != host and parts.scheme not in OWN_SCHEMES:
            faults.append(f"asked another host: {request.url}")

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and REFUSED not in message.text:
            faults.append(f"console: {message.text}")

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))


@pytest.fixture
def page(open_page: OpenPage, system: System) -> Page:
    """The page of the shared system, at desktop width."""
    return open_page(system)
