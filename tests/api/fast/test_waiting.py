"""Requests that wait on the fast path, whose worker is the test."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import httpx
import numpy as np
import orjson
import pytest
import redis

from deploy.processes import free_port
from shared.contract.block import Block
from shared.contract.block.codec import encode_block
from shared.contract.entry import Entry
from shared.contract.entry.codec import decode_entry
from shared.contract.heartbeat import HEARTBEAT_CODEC
from shared.redis import keys
from tests.api.fast.exchange import AHEAD, CLASSIFY, Reply, comparable, connect, fast_answers, read_reply, request, send
from tests.api.fast.test_both_paths import PNG
from tests.support.api_in_process import ApiThread
from tests.support.heartbeats import live_worker
from tests.support.processes import ROOT, wait_until
from tests.support.system import RedisServer

STREAM, QUEUED = keys.stream("cnn-small", "interactive"), keys.queued("cnn-small", "interactive")
MAX_WAITING = 6
MAX_QUEUED = 3
ENVIRON = {
    "DEFAULT_MODEL": "cnn-small@2",
    "MODELS_DIR": str(ROOT / "models"),
    "WORKER_TTL_S": "300",
    "MAX_WAITING_SINGLES": str(MAX_WAITING),
    "MAX_QUEUED_INTERACTIVE_IMAGES": str(MAX_QUEUED),
    "LOG_SLOW_MS": "60000",
}


class Fleet:
    """An API, and a Redis in which a worker seems to live. The test answers the entries."""

    def __init__(self, redis_url: str, **environ: str) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.redis.zadd(keys.WORKERS, {"w1": self.redis.time()[0]})
        self.redis.set(keys.worker("w1"), HEARTBEAT_CODEC.encode(live_worker("w1", "cnn-small@2")))
        self._returned: set[str] = set()
        self.port = free_port()
        self.api = ApiThread({**ENVIRON, "REDIS_URL": redis_url, "API_PORT": str(self.port), **environ})
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        wait_until(lambda: self.http.get("/status").json()["workers"], "the API knows the worker")

    def entries(self, images: int) -> list[Entry]:
        """Wait until so many images are on the stream that no earlier call returned, and return their entries."""

        def queued() -> list[Entry]:
            found: Any = self.redis.xrange(STREAM)
            return [entry for _, fields in found if (entry := decode_entry(fields)).uid not in self._returned]

        wait_until(lambda: sum(entry.count for entry in queued()) >= images, f"{images} images")
        entries = queued()
        self._returned |= {entry.uid for entry in entries}
        self.redis.delete(QUEUED)
        return entries

    def forget(self) -> None:
        """Empty the stream. Nobody may wait, because the API would notice the loss of an image."""
        self.redis.delete(STREAM, QUEUED)

    def answer(self, entry: Entry, digit: int, data: bytes = b"", **fields: object) -> None:
        """Publish the block of an entry, or `data`."""
        digits = np.full(entry.count, digit, np.uint8)
        probabilities = np.eye(10, dtype=np.float32)[digits % 10]
        block = Block(digits, probabilities, entry.model, "w1", 1, entry.count, 0.5, 0.25, **fields)  # type: ignore[arg-type]
        self.redis.publish(entry.reply, entry.uid.encode() + (data or encode_block(block)))

    def close(self) -> None:
        self.http.close()
        self.redis.close()
        self.api.stop()


@pytest.fixture(scope="module")
def fleet(redis_server: RedisServer) -> Iterator[Fleet]:
    fleet = Fleet(redis_server.new_url())
    yield fleet
    fleet.close()


@pytest.fixture(autouse=True)
def _nothing_queued(fleet: Fleet) -> None:
    fleet.forget()


def waiting(fleet: Fleet) -> int:
    """Return how many requests wait for their answers."""
    text = fleet.http.get("/metrics").text
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("mnistified_waiting"))


def ask(fleet: Fleet, raw: bytes) -> tuple[socket.socket, BinaryIO]:
    connection = connect(fleet.port)
    connection.sendall(raw)
    return connection, connection.makefile("rb")


def on_both_paths(fleet: Fleet, raw: bytes, act: Callable[[], None] = lambda: None) -> Reply:
    """Send a request on both paths, call `act` while it waits, and return the response, which is the same."""
    replies = []
    for ahead in (b"", AHEAD):
        connection, stream = ask(fleet, ahead + raw)
        with connection, stream:
            if ahead:
                read_reply(stream)
            act()
            replies.append(read_reply(stream))
        fleet.forget()
    assert comparable(replies[0])[:2] == comparable(replies[1])[:2]
    return replies[0]


def test_a_deadline_ends_the_wait_and_a_late_answer_reaches_nobody(fleet: Fleet) -> None:
    connection, stream = ask(fleet, request(PNG, target=f"{CLASSIFY}?timeout_s=0.05"))
    with connection, stream:
        late = read_reply(stream)
        assert late.status == "HTTP/1.1 504 Gateway Timeout"
        assert orjson.loads(late.body)["detail"] == "no answer within 0.05 s; the image is dropped"
        (first,) = fleet.entries(1)
        assert len(first.deadlines_ms) == 1
        connection.sendall(request(PNG))
        (second,) = fleet.entries(1)
        fleet.answer(first, 1)
        fleet.answer(second, 2)
        answer = orjson.loads(read_reply(stream).body)
        assert (answer["prediction"], answer["id"]) == (2, f"{second.uid}-0")


@pytest.mark.parametrize("path", [CLASSIFY, "/models/cnn-small@2/classify"])
def test_both_paths_time_out_alike(fleet: Fleet, path: str) -> None:
    deadline = on_both_paths(fleet, request(PNG, target=f"{path}?timeout_s=0.05"))
    assert orjson.loads(deadline.body)["title"] == "Deadline passed"
    late = on_both_paths(fleet, request(PNG, "X-Request-ID: mine", "Prefer: wait=0", target=path))
    problem = orjson.loads(late.body)
    assert problem["detail"] == "no answer within 0 s; the image is still being processed"
    assert late.header("location") == f"/results/{problem['id']}"
    assert late.header("x-request-id") == "mine"
    state = fleet.http.get(late.header("location")).json()
    assert (state["id"], state["request_id"]) == (problem["id"], "mine")


@pytest.mark.parametrize(
    ("state", "status"), [("expired", "504 Gateway Timeout"), ("failed", "500 Internal Server Error")]
)
def test_an_image_without_a_result_fails_alone(fleet: Fleet, state: str, status: str) -> None:
    connections = [ask(fleet, request(PNG)) for _ in range(2)]
    for entry in fleet.entries(2):
        fleet.answer(entry, 7, faults={0: (state, "because")} if entry.count == 1 else {1: (state, "because")})
    replies = [read_reply(stream) for _, stream in connections]
    for connection, stream in connections:
        stream.close()
        connection.close()
    failed = [reply for reply in replies if reply.status == f"HTTP/1.1 {status}"]
    assert failed
    assert orjson.loads(failed[0].body)["detail"] == "because"


def test_a_damaged_block_fails_its_requests_at_once(fleet: Fleet) -> None:
    def answer() -> None:
        (entry,) = fleet.entries(1)
        fleet.answer(entry, 0, b"\0\0\0\0")

    reply = on_both_paths(fleet, request(PNG), answer)
    assert reply.status == "HTTP/1.1 500 Internal Server Error"
    assert "cannot be read" in orjson.loads(reply.body)["detail"]


def test_a_refused_entry_is_a_429_that_says_when_to_return(fleet: Fleet) -> None:
    queued = [ask(fleet, request(PNG, target=f"{CLASSIFY}?timeout_s=20")) for _ in range(MAX_QUEUED)]
    wait_until(lambda: fleet.redis.hget(QUEUED, "images") == b"3", "a full lane")
    refused = [send(fleet.port, request(PNG), general) for general in (False, True)]
    assert comparable(refused[0]) == comparable(refused[1])
    assert refused[0].status == "HTTP/1.1 429 Too Many Requests"
    assert int(refused[0].header("retry-after")) >= 1
    for entry in fleet.entries(MAX_QUEUED):
        fleet.answer(entry, 4)
    for connection, stream in queued:
        assert read_reply(stream).status == "HTTP/1.1 200 OK"
        stream.close()
        connection.close()


def test_beyond_the_maximum_of_waiting_requests_all_are_refused(fleet: Fleet) -> None:
    fleet.redis.hset(QUEUED, "images", -10)
    held = [ask(fleet, request(PNG)) for _ in range(MAX_WAITING)]
    wait_until(lambda: waiting(fleet) == MAX_WAITING, "a full waiting room")
    refused = send(fleet.port, request(PNG))
    assert orjson.loads(refused.body)["detail"] == f"{MAX_WAITING} requests wait for their answers in this process"
    for entry in fleet.entries(MAX_WAITING):
        fleet.answer(entry, 4)
    for connection, stream in held:
        assert read_reply(stream).status == "HTTP/1.1 200 OK"
        stream.close()
        connection.close()
    assert waiting(fleet) == 0


@pytest.mark.parametrize("reset", [False, True])
def test_the_image_of_a_client_that_leaves_is_dropped(fleet: Fleet, reset: bool) -> None:
    connection, stream = ask(fleet, request(PNG))
    (entry,) = fleet.entries(1)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stream.close()
    connection.close()
    wait_until(lambda: fleet.redis.smembers(keys.dropped(entry.uid)) == {b"0"}, "the image is dropped", 10)
    wait_until(lambda: waiting(fleet) == 0, "nobody waits")
    fleet.answer(entry, 3)
    assert fleet.http.get("/healthz").status_code == 200


def test_a_client_that_leaves_during_its_body_is_forgotten(fleet: Fleet) -> None:
    connection, stream = ask(fleet, request(PNG)[:-10])
    stream.close()
    connection.close()
    assert fleet.http.get("/healthz").status_code == 200
    assert waiting(fleet) == 0


def test_a_client_that_stops_sending_gets_its_answer(fleet: Fleet) -> None:
    def stop_and_answer() -> None:
        (entry,) = fleet.entries(1)
        fleet.answer(entry, 6)

    connection, stream = ask(fleet, request(PNG))
    with connection, stream:
        connection.shutdown(socket.SHUT_WR)
        stop_and_answer()
        reply = read_reply(stream)
        assert (reply.status, reply.header("connection")) == ("HTTP/1.1 200 OK", "close")
        assert stream.read() == b""


def test_a_request_behind_a_waiting_one_is_answered_after_it(fleet: Fleet) -> None:
    before = fast_answers(fleet.http)
    connection, stream = ask(fleet, request(PNG) + request(PNG) + AHEAD)
    with connection, stream:
        for digit in (1, 2):
            (entry,) = fleet.entries(1)
            fleet.answer(entry, digit)
            assert orjson.loads(read_reply(stream).body)["prediction"] == digit
        assert read_reply(stream).status == "HTTP/1.1 200 OK"
    assert fast_answers(fleet.http) == before + 1


def test_a_server_that_stops_answers_first(redis_server: RedisServer) -> None:
    stopping = Fleet(redis_server.new_url())
    connection, stream = ask(stopping, request(PNG))
    (entry,) = stopping.entries(1)
    stop = threading.Thread(target=stopping.api.stop)
    stop.start()
    with connection, stream:
        wait_until(lambda: not listens(stopping.port), "the API stops")
        stopping.answer(entry, 5)
        reply = read_reply(stream)
        assert (reply.status, reply.header("connection")) == ("HTTP/1.1 200 OK", "close")
        assert orjson.loads(reply.body)["prediction"] == 5
    stop.join()
    stopping.close()


def listens(port: int) -> bool:
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_slow_request_is_logged_with_its_id(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[Any]:
        """Return the lines of this route. The API writes one after it has sent the response."""
        slow = [vars(record)["fields"] for record in caplog.records if record.message == "slow request"]
        return [fields for fields in slow if fields["path"] == CLASSIFY]

    with contextlib.closing(Fleet(redis_server.new_url(), LOG_SLOW_MS="0")) as strict:
        connection, stream = ask(strict, request(PNG, "X-Request-ID: mine"))
        with connection, stream, caplog.at_level(logging.WARNING):
            (entry,) = strict.entries(1)
            strict.answer(entry, 5)
            assert read_reply(stream).header("x-request-id") == "mine"
            wait_until(lines, "the line")
    (line,) = lines()
    assert line["status"] == 200
