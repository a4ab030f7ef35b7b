"""Flower refuses other websites' pages, although it has no password and accepts commands from everyone."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.processes import free_port
from tests.support.processes import BIN, Process, wait_until
from tests.support.system import RedisServer

pytestmark = pytest.mark.slow

SHUTDOWN = "/api/worker/shutdown/worker-1@nowhere"


def start(redis_server: RedisServer, environ: dict[str, str]) -> tuple[Process, httpx.Client]:
    port = free_port()
    command = [str(BIN / "python"), "-m", "worker.flower", "--address=127.0.0.1", f"--port={port}"]
    process = Process(command, {"REDIS_URL": redis_server.new_url(), **environ})
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def answers() -> bool:
        try:
            return http.get("/healthcheck").is_success
        except httpx.TransportError:
            return False

    wait_until(answers, "Flower answers", 60)
    return process, http


@pytest.fixture(scope="module")
def flower(redis_server: RedisServer) -> Iterator[httpx.Client]:
    process, http = start(redis_server, {"FLOWER_UNAUTHENTICATED_API": "1", "ALLOWED_HOSTS": "digits.example"})
    yield http
    http.close()
    process.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:5000"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "evil.example"},
    ],
)
def test_other_websites_and_names_are_refused(flower: httpx.Client, headers: dict[str, str]) -> None:
    for method, path in (("POST", SHUTDOWN), ("GET", "/api/workers"), ("GET", "/"), ("OPTIONS", SHUTDOWN)):
        reply = flower.request(method, path, headers=headers)
        assert reply.status_code == 403
        assert "is not a known name" in reply.text or "may not use this service" in reply.text
        assert "access-control-allow-origin" not in reply.headers


def test_its_own_pages_links_and_programs_are_served(flower: httpx.Client) -> None:
    own = {"Origin": str(flower.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert flower.post(SHUTDOWN, headers=own).status_code == 404, "there is no such worker"
    assert flower.post(SHUTDOWN).status_code == 404
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert flower.get("/", headers=link).status_code == 200
    assert flower.get("/", headers={"Host": "digits.example"}).status_code == 200


def test_with_a_password_every_name_is_served_and_pages_are_still_refused(redis_server: RedisServer) -> None:
    """A browser that knows the password sends it with requests of other websites' pages, too."""
    process, http = start(redis_server, {"FLOWER_BASIC_AUTH": "me:secret"})
    http.auth = ("me", "secret")
    assert http.get("/", headers={"Host": "flower.example"}).status_code == 200
    assert http.get("/", headers={"Origin": "https://evil.example"}).status_code == 403
    http.close()
    process.stop()
