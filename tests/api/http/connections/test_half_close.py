"""A client that stops sending after its request gets the response, and a client that is gone is still noticed."""

import contextlib
import json
import signal
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.redis import keys
from tests.support.processes import wait_until
from tests.support.proxy import received_until_closed
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file, npy

HOST = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def halted(redis_server: RedisServer) -> Iterator[System]:
    """A system whose worker is stopped, so that images wait, with room for one event stream."""
    environ = {"WORKER_TTL_S": "300", "MAX_WATCHERS": "1"}
    with running(redis_server.new_url(), 1, environ, api_in_thread=True) as system:
        system.workers["worker-1"].signal(signal.SIGSTOP)
        yield system
        system.workers["worker-1"].signal(signal.SIGCONT)


def post(path: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST %b HTTP/%b\r\n" % (path, version) + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path: str, version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\n".encode() + HOST + b"\r\n"


@contextlib.contextmanager
def half_closed(system: System, request: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        yield connection


def answer(system: System, request: bytes) -> tuple[bytes, bytes]:
    with half_closed(system, request) as connection:
        head, _, body = received_until_closed(connection).partition(b"\r\n\r\n")
        return head, body


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_single_and_an_upload_are_answered(system: System, test_set: Split, version: bytes) -> None:
    head, body = answer(system, post(b"/mnist/classify", image_file(test_set.images[7]), version))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(body)["prediction"] == test_set.labels[7]
    head, body = answer(system, post(b"/mnist/classify/bulk", npy(np.zeros((1000, 28, 28), np.uint8)), version))
    assert head.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert json.loads(body)["total"] == 1000


def test_streams_and_waits_are_answered(system: System) -> None:
    path = f"/results/{system.submit(json={'start': 0, 'stop': 200})}"
    assert b'"state":"done"' in answer(system, get(f"{path}?wait=30"))[1]
    assert b"event: final" in answer(system, get(f"{path}/events", "1.0"))[1]
    assert answer(system, get(f"{path}/items"))[0].startswith(b"HTTP/1.1 200 ")


def test_each_request_of_a_pipeline_is_answered(system: System) -> None:
    with half_closed(system, get("/mnist/classify/1") + get("/mnist/classify/2") + get("/healthz")) as connection:
        assert received_until_closed(connection).count(b"HTTP/1.1 200 OK\r\n") == 3


@pytest.mark.parametrize(
    ("sent", "part"), [(get("/healthz")[:-4], b"head"), (post(b"/mnist/classify", b"abcdef")[:-1], b"body")]
)
def test_a_request_that_ends_too_early_is_a_400(system: System, sent: bytes, part: bytes) -> None:
    head, body = answer(system, sent)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"end of the request's " + part in body


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_answer_that_takes_long_arrives_whole(halted: System, test_set: Split, version: str) -> None:
    """The first bytes of the response are sent ahead meanwhile, which the client cannot tell."""
    worker = halted.workers["worker-1"]
    with half_closed(halted, get("/mnist/classify/3", version)) as connection:
        response = connection.makefile("rb")
        assert response.read(3) == b"HTT"
        worker.signal(signal.SIGCONT)
        received = response.read()
        worker.signal(signal.SIGSTOP)
    assert received.startswith(b"P/1.1 200 OK\r\n")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["prediction"] == test_set.labels[3]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_single_whose_client_is_gone_is_dropped(halted: System, version: str) -> None:
    halted.redis.delete(*halted.redis.scan_iter(keys.dropped("*")), "none")
    with half_closed(halted, get("/mnist/classify/3", version)):
        pass
    wait_until(lambda: list(halted.redis.scan_iter(keys.dropped("*"))), "the image is dropped", 5)


@pytest.mark.slow
def test_a_watcher_that_is_gone_makes_room_soon(halted: System) -> None:
    path = f"/results/{halted.submit(json={'start': 0, 'stop': 1})}/events"
    with half_closed(halted, get(path)) as connection:
        assert connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        assert halted.http.get(path).status_code == 429
    halted.http.close()  # the stream stays open, as the job does not end

    def has_room() -> bool:
        with halted.http.stream("GET", path) as reply:
            return reply.status_code == 200

    halted.http = type(halted.http)(base_url=halted.url, timeout=30)
    wait_until(has_room, "room for another watcher", 8)
