"""The limits of the proxy: bodies, heads, slow senders, requests and connections per address."""

import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from uvicorn import Config

from api.http.connections.limits import MAX_HEAD_BYTES
from api.routes.compat.bodies import MAX_TENSOR_BYTES
from shared.config.settings import Settings
from tests.support.proxy import START, Proxy, received_until_closed
from tests.support.system import System
from tests.support.uploads import noise, npy

TEMPLATE = (START.parent / "nginx.conf.template").read_text()
BOUNDS = ("max_image_bytes", "max_upload_bytes", "head_timeout_s", "body_timeout_s")
TIGHT = {
    "MAX_IMAGE_BYTES": "2000",
    "MAX_UPLOAD_BYTES": "100000",
    "HEAD_TIMEOUT_S": "1",
    "BODY_TIMEOUT_S": "1",
    "RATE_PER_S": "1",
    "BURST": "20",
    "CONNECTIONS": "3",
}


@pytest.fixture(scope="module")
def tight(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy with tight limits per address. Each test uses its own address."""
    proxy = Proxy(tmp_path_factory.mktemp("tight"), [system.port], TIGHT)
    yield proxy
    proxy.process.stop()


def test_the_limits_are_the_apis_own() -> None:
    settings = Settings()
    text = START.read_text()
    for name in (
        "max_image_bytes",
        "max_upload_bytes",
        "head_timeout_s",
        "body_timeout_s",
        "max_wait_s",
        "upload_stall_s",
    ):
        (default,) = re.findall(rf"^{name.upper()}=\$\{{{name.upper()}:-(\d+)\}}", text, re.MULTILINE)
        assert int(default) == getattr(settings, name), name
    assert settings.sync_wait_s <= settings.max_wait_s, "the read time-out is reckoned from the longer one"
    assert f"client_max_body_size {MAX_TENSOR_BYTES >> 20}m" in TEMPLATE
    count, kib = re.findall(r"large_client_header_buffers (\d+) (\d+)k", TEMPLATE)[0]
    assert int(count) * int(kib) << 10 < MAX_HEAD_BYTES
    (idle_s,) = re.findall(r"upstream api .*?keepalive_timeout (\d+)s", TEMPLATE, re.DOTALL)
    assert int(idle_s) < Config("api.app:make_app").timeout_keep_alive


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/mnist/classify", "/mnist/classify/bulk"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_body_over_its_bound_is_a_413(path: str, chunked: bool, tight: Proxy) -> None:
    body = npy(noise(300)) if path.endswith("bulk") else bytes(3000)
    content = iter([body[i : i + 500] for i in range(0, len(body), 500)]) if chunked else body
    with tight.client("127.0.0.2") as http:
        reply = http.post(path, content=content, headers={"Content-Type": "application/octet-stream"})
    assert reply.status_code == 413, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"] == f"the body is larger than {path} accepts"


@pytest.mark.slow
def test_a_body_within_its_bound_passes(tight: Proxy) -> None:
    with tight.client("127.0.0.3") as http:
        body, headers = npy(noise(100)), {"Content-Type": "application/octet-stream"}
        reply = http.post("/mnist/classify/bulk", content=body, headers=headers)
    assert reply.status_code == 202, reply.text


@pytest.mark.slow
def test_an_address_with_too_many_requests_gets_429_and_others_do_not(tight: Proxy) -> None:
    with tight.client("127.0.0.4") as http:
        replies = [http.get("/mnist/label/3") for _ in range(30)]
    assert [reply.status_code for reply in replies[:20]] == [200] * 20
    assert (replies[-1].status_code, replies[-1].headers["retry-after"]) == (429, "1")
    assert replies[-1].json()["title"] == "Too many requests"
    with tight.client("127.0.0.5") as http:
        assert http.get("/mnist/label/3").status_code == 200


@pytest.mark.slow
def test_a_header_does_not_change_the_address_of_a_client(tight: Proxy) -> None:
    with tight.client("127.0.0.6") as http:
        replies = [http.get("/mnist/label/3", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(30)]
    assert replies[-1].status_code == 429


@pytest.mark.slow
def test_a_trusted_proxy_names_the_address_of_its_client(system: System, start_proxy: Callable[..., Proxy]) -> None:
    trusting = start_proxy([system.port], {**TIGHT, "TRUSTED_PROXIES": "127.0.1.0/24 127.0.2.1"})
    with trusting.client("127.0.1.9") as http:
        replies = [http.get("/mnist/label/3", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(30)]
        assert {reply.status_code for reply in replies} == {200}
        two_addresses = {"X-Forwarded-For": "10.9.9.9, 10.0.0.1"}  # the first comes from the client itself
        assert 429 in {http.get("/mnist/label/3", headers=two_addresses).status_code for _ in range(30)}


@pytest.mark.slow
def test_an_address_has_so_many_requests_at_a_time(tight: Proxy, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    system.finished(job_id)
    held = [tight.connect("127.0.0.7") for _ in range(3)]
    try:
        for connection in held:  # a body that is being sent occupies its place
            connection.sendall(b"POST /mnist/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        with tight.client("127.0.0.7") as http:
            assert http.get("/mnist/label/3").status_code == 429
    finally:
        for connection in held:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /mnist/label/3 HT",
        b"POST /mnist/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nsome",
        b"POST /mnist/classify/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nsome",
    ],
    ids=["head", "body", "upload"],
)
def test_a_sender_that_stops_is_cut_off(sent: bytes, tight: Proxy) -> None:
    with tight.connect("127.0.0.8") as connection:
        started_s = time.monotonic()
        connection.sendall(sent)
        received = received_until_closed(connection)
        assert time.monotonic() - started_s < 10
    assert received == b"" or b" 408 " in received.splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers", [{"X-Long": "x" * 16_000}, {f"X-{n}": "x" * 14_000 for n in range(5)}], ids=["a line", "all of it"]
)
def test_a_head_over_its_bound_is_a_431(headers: dict[str, str], proxy: Proxy) -> None:
    reply = httpx.get(f"{proxy.url}/mnist/label/3", headers=headers)
    assert (reply.status_code, reply.json()["title"]) == (431, "Request head too large")


@pytest.mark.slow
def test_a_head_within_the_bound_reaches_the_api(proxy: Proxy) -> None:
    headers = {f"X-{n}": "x" * 14_000 for n in range(4)}
    assert httpx.get(f"{proxy.url}/mnist/label/3", headers=headers).status_code == 200
