"""The page of a service with API_KEYS prompts for a key once."""

from collections.abc import Iterator
from hashlib import sha256

import pytest
from playwright.sync_api import expect

from tests.browser.acts import SEVEN, draw, expect_read
from tests.browser.conftest import OpenPage
from tests.support.system import RedisServer, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KEY = "alices-key-of-many-characters"


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer) -> Iterator[System]:
    system = System(redis_server.new_url(), {"API_KEYS": f"alice:{sha256(KEY.encode()).hexdigest()}"})
    system.http.headers["X-API-Key"] = KEY
    system.start_worker("worker-1")
    system.wait_until_ready(1)
    yield system
    system.close()


def test_the_page_asks_for_a_key_until_it_has_the_right_one_and_keeps_it_in_its_tab(
    open_page: OpenPage, guarded: System
) -> None:
    page = open_page(guarded)
    dialog = page.locator("#key-dialog")
    for wrong in ("", "nobodys-key"):
        expect(dialog).to_be_visible()
        if wrong:
            page.keyboard.type(wrong)
            page.keyboard.press("Enter")
    expect(page.locator("#key-reason")).to_contain_text("was refused: this key is not known")
    page.locator("#key-input").fill(KEY)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#pill-text")).to_contain_text("1 worker")
    draw(page, SEVEN)
    expect_read(page, 7)
    page.reload()
    expect(page.locator("#pill-text")).to_contain_text("1 worker")
    expect(dialog).to_be_hidden()
    assert page.evaluate("Object.values(localStorage).length + document.cookie.length") == 0
    assert KEY not in page.url
    assert KEY not in guarded.api.output
