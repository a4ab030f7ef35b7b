"""Processes that die while requests wait on the fast path: every image ends once, and no client waits in vain."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from shared.contract.block.codec import decode_block
from shared.redis import keys
from tests.api.fast.exchange import Reply, connect, fast_answers, read_reply, request, send
from tests.api.fast.test_both_paths import PNG
from tests.support.processes import wait_until
from tests.support.system import RedisServer, System, running

pytestmark = pytest.mark.slow

STREAM, QUEUED = keys.stream("cnn-small", "interactive"), keys.queued("cnn-small", "interactive")
CONNECTIONS = 8
REQUESTS = 40  # per connection


@pytest.fixture(scope="module")
def frail(redis_server: RedisServer) -> Iterator[System]:
    environ = {"DEFAULT_MODEL": "cnn-small@2", "LEASE_MS": "2000", "WORKER_TTL_S": "60"}
    with running(redis_server.new_url(), environ=environ) as system:
        yield system


def queued_images(system: System) -> int:
    return int(system.redis.hget(QUEUED, "images") or 0)


def accepted_images(system: System) -> int:
    text = system.http.get("/metrics").text
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("mnistified_accepted_"))


def test_a_killed_worker_costs_no_request_its_answer(frail: System) -> None:
    """Another worker takes its images over. A client that waits for less time gets the id of its image."""
    replies: list[Reply] = []
    fast, accepted = fast_answers(frail.http), accepted_images(frail)

    def load() -> None:
        with connect(frail.port) as connection, connection.makefile("rb") as stream:
            for _ in range(REQUESTS):
                connection.sendall(request(PNG))
                replies.append(read_reply(stream))

    clients = [threading.Thread(target=load) for _ in range(CONNECTIONS)]
    for client in clients:
        client.start()
    wait_until(lambda: len(replies) > CONNECTIONS, "the load runs")
    killed = frail.workers.pop("worker-1")
    killed.signal(signal.SIGKILL)
    late = [send(frail.port, request(PNG, "Prefer: wait=1")) for _ in range(2)]
    killed.stop()
    frail.start_worker("worker-2")
    for client in clients:
        client.join()
    assert Counter(reply.status for reply in replies) == {"HTTP/1.1 200 OK": CONNECTIONS * REQUESTS}
    assert len({orjson.loads(reply.body)["id"] for reply in replies}) == len(replies)
    assert fast_answers(frail.http) == fast + len(replies)
    assert accepted_images(frail) == accepted + len(replies) + len(late)
    for reply in late:
        assert reply.status == "HTTP/1.1 504 Gateway Timeout"
        assert "the image is still being processed" in orjson.loads(reply.body)["detail"]
    paths = [reply.header("location") for reply in late]
    wait_until(lambda: all(frail.http.get(path).json()["state"] == "done" for path in paths), "late images are done")
    wait_until(lambda: (frail.redis.xlen(STREAM), queued_images(frail)) == (0, 0), "nothing is queued")


def test_a_killed_api_loses_no_accepted_image(frail: System) -> None:
    """Its clients see that their connection is closed. The images end in the worker, and another API serves."""
    (worker,) = frail.workers.values()
    worker.signal(signal.SIGSTOP)
    before = set(frail.redis.scan_iter(keys.result("*")))
    waiting = [connect(frail.port) for _ in range(CONNECTIONS)]
    for connection in waiting:
        connection.sendall(request(PNG))
    wait_until(lambda: queued_images(frail) == CONNECTIONS, "all images are queued")
    frail.api.signal(signal.SIGKILL)
    for connection in waiting:
        with connection:
            assert connection.recv(1) == b""
    worker.signal(signal.SIGCONT)
    wait_until(lambda: (frail.redis.xlen(STREAM), queued_images(frail)) == (0, 0), "nothing is queued")
    written = set(frail.redis.scan_iter(keys.result("*"))) - before
    data: list[Any] = frail.redis.mget(written)
    blocks = [decode_block(each) for each in data]
    assert sum(block.count for block in blocks) == CONNECTIONS
    assert not any(block.faults for block in blocks)
    frail.api.stop()
    frail.api = frail.start_api()
    wait_until(lambda: frail.http.get("/readyz").status_code == 200, "the API knows the worker")
    assert send(frail.port, request(PNG)).status == "HTTP/1.1 200 OK"
