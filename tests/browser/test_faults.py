"""The page shows each fault within seconds, and hides it when it is over."""

import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import SEVEN, draw, expect_read, open_view
from tests.browser.conftest import OpenPage
from tests.support.system import RedisServer, System, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SEEN_MS = 20_000  # on a machine that has other things to do; how long it took is printed

RECORD_TROUBLES = """() => {
  const box = document.getElementById("trouble");
  window.troubles = [];
  const record = () => box.hidden || window.troubles.push(box.textContent);
  new MutationObserver(record).observe(box, { attributes: true, childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture(scope="module")
def frail_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that the tests stop and start."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes")
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def frail(frail_redis: RedisServer) -> Iterator[System]:
    """A system that the tests break, with room for 50 images of jobs."""
    with running(frail_redis.new_url(), environ={"MAX_QUEUED_BULK_IMAGES": "50"}) as system:
        yield system


@pytest.fixture
def frail_page(open_page: OpenPage, frail: System) -> Page:
    page = open_page(frail)
    expect(page.locator("#pill-text")).to_contain_text("1 worker")
    return page


def expect_trouble(page: Page, title: str, since_s: float, capsys: pytest.CaptureFixture[str]) -> None:
    expect(page.locator("#trouble-title")).to_have_text(title, timeout=SEEN_MS)
    expect(page.locator("#trouble")).to_be_visible()
    with capsys.disabled():
        print(f"\n{title!r} after {time.monotonic() - since_s:.1f} s")


def test_redis_is_unreachable(
    frail_page: Page, frail: System, frail_redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    frail_redis.process.stop()
    expect_trouble(frail_page, "Redis is unreachable.", time.monotonic(), capsys)
    draw(frail_page, SEVEN)
    expect(frail_page.locator("#draw-reading [data-part=how]")).to_have_text("The page retries automatically.")
    frail_redis.start()
    expect_read(frail_page, 7)
    expect(frail_page.locator("#trouble")).to_be_hidden(timeout=SEEN_MS)
    open_view(frail_page, "queue")
    expect(frail_page.locator("#happened")).to_contain_text("Redis became unreachable")


def test_a_full_queue(frail_page: Page) -> None:
    """The page shows a refusal for 2 s. A busy machine could miss that, so the page itself records what it shows."""
    open_view(frail_page, "test-set")
    expect(frail_page.locator("#tally")).to_contain_text("Not read yet")
    frail_page.evaluate(RECORD_TROUBLES)
    frail_page.locator("#read-all").click()
    frail_page.wait_for_function(
        "() => window.troubles.some((text) => /The queue is full\\.[^]*room again in about/.test(text))",
        timeout=SEEN_MS,
    )
    expect(frail_page.locator("#read-all")).to_be_enabled(timeout=SEEN_MS)
    expect(frail_page.locator("#trouble")).to_be_hidden(timeout=SEEN_MS)


def test_a_queue_filled_by_other_clients(frail_page: Page, frail: System, capsys: pytest.CaptureFixture[str]) -> None:
    frail.workers["worker-1"].signal(signal.SIGSTOP)
    frail.submit(json={"start": 0, "stop": 50})
    expect_trouble(frail_page, "The queue is full.", time.monotonic(), capsys)
    expect(frail_page.locator("#trouble-detail")).to_contain_text("50 images wait in the bulk lane of cnn")
    frail.workers["worker-1"].signal(signal.SIGCONT)
    expect(frail_page.locator("#trouble")).to_be_hidden(timeout=SEEN_MS)


def test_a_killed_worker_and_its_successor(frail_page: Page, frail: System, capsys: pytest.CaptureFixture[str]) -> None:
    frail.workers["worker-1"].signal(signal.SIGKILL)
    killed_s = time.monotonic()
    frail.workers["worker-1"].wait()
    expect_trouble(frail_page, "No worker is responding.", killed_s, capsys)
    expect_trouble(frail_page, "No worker is running.", killed_s, capsys)
    open_view(frail_page, "queue")
    expect(frail_page.locator("#happened")).to_contain_text("worker-1 stopped responding")
    expect(frail_page.locator("#workers")).to_contain_text("None. Start one")
    frail.start_worker("worker-1")
    expect(frail_page.locator("#trouble")).to_be_hidden(timeout=SEEN_MS)
    expect(frail_page.locator("#happened")).to_contain_text("worker-1 started")


def test_no_worker_a_cancelled_job_and_no_api(
    open_page: OpenPage, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(redis_server.new_url(), workers=0) as system:
        page = open_page(system, "/#test-set")
        expect(page.locator("#trouble-title")).to_have_text("No worker is running.")
        page.locator("#read-all").click()
        expect(page.locator("#pill-text")).not_to_contain_text("· 0 queued")
        page.locator("#read-cancel").click()
        expect(page.locator("#tally")).to_contain_text("the rest was cancelled")
        expect(page.locator("#pill-text")).to_contain_text("0 workers")
        system.api.stop()
        expect_trouble(page, "The service does not answer.", time.monotonic(), capsys)
