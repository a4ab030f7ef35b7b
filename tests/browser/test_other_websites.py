"""A real browser shows a page of another website, which tries to use a service without keys."""

import http.server
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import REBOUND
from tests.support.system import RedisServer, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PAGE = b"""<!doctype html><title>Another website</title>
<form method="post" enctype="text/plain"><input name='{"version": 1, "reason": "' value='"}'></form><a>link</a>"""
# Returns the statuses that the service's metrics counted, since the page itself cannot read the responses.
FETCH = """async ([url, method, body]) => {
    const options = {method, body, mode: "no-cors", headers: body ? {"Content-Type": "text/plain"} : {}};
    return await fetch(url, options).then((reply) => reply.type, (error) => "error");
}"""


class Website(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def website() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Website) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def foreign(browser: Browser, website: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(website)
    yield page
    context.close()


def refused(system: System) -> int:
    """Return how many requests the service has answered with 403."""
    lines = [line for line in system.http.get("/metrics").text.splitlines() if 'status="403"' in line]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def champion(system: System) -> object:
    return system.http.get("/models/cnn/aliases").json()["aliases"].get("champion")


def test_its_requests_are_refused_and_change_nothing(foreign: Page, system: System) -> None:
    before = champion(system)
    attempts = [
        ("/models/cnn/aliases/champion", "POST", '{"version": 1, "force": true, "reason": "evil"}'),
        ("/models/cnn/train", "POST", "{}"),
        ("/mnist/classify/bulk", "POST", '{"start": 0, "stop": 1}'),
        ("/mnist/classify", "POST", "no image"),
        ("/mnist/classify/7", "GET", None),
        ("/v2/repository/index", "POST", ""),
    ]
    count = refused(system)
    for path, method, body in attempts:
        assert foreign.evaluate(FETCH, [system.url + path, method, body]) == "opaque"
    assert refused(system) == count + len(attempts)
    assert champion(system) == before


def test_its_pictures_frames_and_forms_are_refused(foreign: Page, system: System) -> None:
    count = refused(system)
    load = """(url) => new Promise((done) => {
        const picture = new Image();
        picture.onload = () => done("loaded");
        picture.onerror = () => done("error");
        picture.src = url;
    })"""
    assert foreign.evaluate(load, f"{system.url}/mnist/image/7") == "error"
    foreign.evaluate(
        """(url) => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.onload = done;
            frame.src = url;
            document.body.append(frame);
        })""",
        f"{system.url}/status",
    )
    with foreign.expect_response(lambda response: response.url.startswith(system.url)) as posted:
        foreign.evaluate(
            "(url) => { document.forms[0].action = url; document.forms[0].submit(); }",
            f"{system.url}/models/cnn/aliases/champion",
        )
    assert posted.value.status == 403
    assert refused(system) == count + 3


def test_it_cannot_follow_events(foreign: Page, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    listen = """(url) => new Promise((done) => {
        const events = new EventSource(url);
        events.onmessage = events.onopen = () => done("open");
        events.onerror = () => done("error");
    })"""
    assert foreign.evaluate(listen, f"{system.url}/results/{job_id}/events") == "error"
    system.finished(job_id)


def test_its_links_lead_to_the_page(foreign: Page, system: System) -> None:
    foreign.evaluate("(url) => { document.links; document.querySelector('a').href = url; }", system.url)
    with foreign.expect_navigation():
        foreign.click("a")
    assert foreign.locator("#pill-text").count() == 1
    assert foreign.evaluate("() => fetch('status').then((reply) => reply.status)") == 200


def test_a_name_that_resolves_to_this_machine_opens_nothing(browser: Browser, system: System) -> None:
    """DNS rebinding: for the browser, the page and the service have the same origin."""
    page = browser.new_page()
    reply = page.goto(f"http://{REBOUND}:{urlsplit(system.url).port}/")
    assert reply is not None
    assert reply.status == 403
    assert "ALLOWED_HOSTS" in reply.text()
    assert page.evaluate("() => fetch('/status').then((reply) => reply.status)") == 403
    page.close()


def test_an_allowed_website_can_use_the_service(browser: Browser, website: str, redis_server: RedisServer) -> None:
    system = System(redis_server.new_url(), {"CORS_ORIGINS": website}, api_in_thread=True)
    page = browser.new_page()
    page.goto(website)
    ask = """async (url) => {
        const headers = {"Idempotency-Key": "one", "Content-Type": "application/json"};
        const reply = await fetch(url, {method: "POST", headers, body: '{"start": 0, "stop": 2}'});
        return [reply.status, (await reply.json()).total, Boolean(reply.headers.get("location"))];
    }"""
    assert page.evaluate(ask, f"{system.url}/mnist/classify/bulk") == [202, 2, True]
    page.close()
    system.close()
