"""No client can exceed the limits on connections. The tests use real sockets and wait for them to close."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from shared.redis import keys
from tests.support.processes import pause
from tests.support.proxy import received_until_closed
from tests.support.system import RedisServer, System
from tests.support.uploads import idx, noise, npy

pytestmark = pytest.mark.slow

Answer = tuple[int, http.client.HTTPMessage, bytes]

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
IMAGE = b"POST /mnist/classify HTTP/1.1\r\nHost: localhost\r\n"
BULK = b"POST /mnist/classify/bulk HTTP/1.1\r\nHost: localhost\r\n"
FLOOD_BYTES = 32 << 20
TOO_LARGE = {
    "a long header": HEAD + b"X: " + b"x" * (64 << 10) + b"\r\n\r\n",
    "many headers": HEAD + b"X: 1\r\n" * 101 + b"\r\n",
    "a long URL": b"GET /" + b"x" * (64 << 10) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header without an end": HEAD + b"X: " + b"x" * (64 << 10),
    "headers without an end": HEAD + b"X: 1\r\n" * 102,
    "a URL without an end": b"GET /" + b"x" * (64 << 10),
    "a trailer without an end": IMAGE + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * (512 << 10),
    "a chunk extension without an end": IMAGE + b"Transfer-Encoding: chunked\r\n\r\n1;x=" + b"x" * (512 << 10),
}


@pytest.fixture(scope="module")
def impatient(redis_server: RedisServer) -> Iterator[System]:
    """An API without a worker that gives its clients half a second."""
    environ = {"HEAD_TIMEOUT_S": "0.5", "BODY_TIMEOUT_S": "0.5", "UPLOAD_STALL_S": "2", "MAX_QUEUED_BULK_IMAGES": "600"}
    system = System(redis_server.new_url(), environ)
    yield system
    system.close()
    assert "Traceback" not in system.api.output


@pytest.fixture(scope="module")
def narrow(redis_server: RedisServer) -> Iterator[System]:
    """An API without a worker that allows two connections."""
    system = System(redis_server.new_url(), {"MAX_CONNECTIONS": "2", "BODY_TIMEOUT_S": "0.5"})
    yield system
    system.close()
    assert "Traceback" not in system.api.output


def connect(system: System) -> socket.socket:
    return socket.create_connection(("127.0.0.1", system.port), timeout=30)


def read_answer(connection: socket.socket) -> Answer:
    """Read one response. Raises ConnectionError if there is none."""
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return response.status, response.headers, response.read()


def read_last_answer(connection: socket.socket) -> Answer:
    """Read a response and the end of the connection, which is a reset if the server left bytes unread."""
    answer = read_answer(connection)
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    return answer


def send_until_closed(connection: socket.socket, data: bytes) -> None:
    """Return when the server has closed."""
    with contextlib.suppress(ConnectionError):
        while True:
            connection.sendall(data)


def expect_problem(answer: Answer, status: int, said: str) -> None:
    assert answer[0] == status
    assert answer[1]["content-type"] == "application/problem+json"
    assert answer[1]["connection"] == "close"
    problem = json.loads(answer[2])
    assert problem["status"] == status
    assert said in problem["detail"]


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_over_its_bound_is_a_431(narrow: System, name: str) -> None:
    with connect(narrow) as connection:
        connection.sendall(TOO_LARGE[name])
        expect_problem(read_last_answer(connection), 431, "65536 bytes and 100 headers")


@pytest.mark.parametrize("start", [HEAD + b"X: ", IMAGE + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: "])
def test_a_flood_without_an_end_takes_no_memory(narrow: System, start: bytes) -> None:
    before_bytes = narrow.api.rss_bytes
    for _ in range(8):
        with connect(narrow) as connection:
            connection.sendall(start)
            send_until_closed(connection, b"x" * FLOOD_BYTES)
    assert narrow.api.rss_bytes - before_bytes < FLOOD_BYTES


def test_a_head_within_its_bounds_is_served(narrow: System) -> None:
    head = HEAD + b"X: 1\r\n" * 98 + b"Y: " + b"y" * (60 << 10) + b"\r\n\r\n"
    with connect(narrow) as connection:
        for _ in range(2):
            connection.sendall(head)
            assert read_answer(connection)[0] == 200


def test_a_large_body_right_behind_its_head_counts_as_no_head(narrow: System) -> None:
    with connect(narrow) as connection:
        connection.sendall(IMAGE + b"Content-Length: 200000\r\n\r\n" + bytes(200_000))
        answer = read_answer(connection)
        assert answer[0] == 400
        assert "not an image" in json.loads(answer[2])["detail"]


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["nothing", "empty lines"])
def test_a_connection_without_a_request_is_closed(impatient: System, sent: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("requests_before", [0, 1])
def test_an_incomplete_head_is_a_408(impatient: System, requests_before: int) -> None:
    with connect(impatient) as connection:
        for _ in range(requests_before):
            connection.sendall(HEAD + b"\r\n")
            assert read_answer(connection)
        connection.sendall(HEAD)
        connection.sendall(b"X: 1")
        expect_problem(read_last_answer(connection), 408, "within 0.5 s")


def test_a_head_that_trickles_in_gets_no_more_time(impatient: System) -> None:
    with connect(impatient) as connection:
        connection.sendall(HEAD)
        connection.settimeout(0.05)  # between one byte and the next
        answer = b""
        while not answer:
            connection.sendall(b"X")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_kept_connection_outlives_the_timeout_of_a_head(impatient: System) -> None:
    """Three other connections time out one after the other meanwhile."""
    with connect(impatient) as kept:
        kept.sendall(HEAD + b"\r\n")
        assert read_answer(kept)
        for _ in range(3):
            with connect(impatient) as idle:
                assert idle.recv(1) == b""
        kept.sendall(HEAD + b"\r\n")
        assert read_answer(kept)


@pytest.mark.parametrize("length", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_an_image_whose_body_pauses_is_a_408(impatient: System, length: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(IMAGE + length + b"\r\n\r\n5\r\nabcde\r\n")
        expect_problem(read_last_answer(connection), 408, "paused for more than 0.5 s")


def test_an_upload_that_pauses_is_a_408_and_its_job_ends(impatient: System) -> None:
    with connect(impatient) as connection:
        body = idx(noise(1000))
        connection.sendall(BULK + b"Content-Length: %d\r\n\r\n" % len(body) + body[: 300 * 784])
        expect_problem(read_last_answer(connection), 408, "paused")
    jobs = impatient.redis.keys(keys.job("j*"))
    assert len(jobs) == 1
    while not impatient.redis.hexists(jobs[0], "finished_ms"):
        pause()  # the test's timeout is the limit
    impatient.redis.flushdb()


def test_an_upload_that_waits_for_room_has_not_paused(impatient: System) -> None:
    """The upload waits for two seconds, four times as long as a body may pause, and is then refused."""
    reply = impatient.http.post("/mnist/classify/bulk", content=npy(noise(3000)))
    assert reply.status_code == 429
    impatient.redis.flushdb()


def test_a_client_that_expects_100_continue_gets_it(impatient: System) -> None:
    with connect(impatient) as connection:
        connection.sendall(IMAGE + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_answer(connection)[0] == 400


def test_the_rest_of_a_refused_body_is_not_read_for_ever(impatient: System) -> None:
    with connect(impatient) as connection:
        connection.sendall(BULK + b"Content-Length: 1099511627776\r\n\r\n")
        assert read_answer(connection)[0] == 413
        send_until_closed(connection, bytes(1000))


def test_connections_over_the_bound_get_a_503_at_once_and_one_that_ends_makes_room(narrow: System) -> None:
    narrow.http.close()
    with connect(narrow), connect(narrow), connect(narrow) as surplus:
        answer = read_last_answer(surplus)
        expect_problem(answer, 503, "2 connections")
        assert int(answer[1]["retry-after"]) >= 1
    wait_for_room(narrow)


def test_a_client_that_does_not_read_is_disconnected(narrow: System) -> None:
    """It requests more than any socket's buffers hold. The other connection is in use all the time."""
    with connect(narrow) as connection:
        body = npy(noise(10_000))
        connection.sendall(BULK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        links = json.loads(read_last_answer(connection)[2])["links"]
    with connect(narrow) as waiting, connect(narrow) as idle:
        waiting.sendall(b"GET %s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n" % links["self"].encode())
        idle.sendall(b"GET %s?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n" % links["items"].encode() * 32)
        wait_for_room(narrow)
        assert 0 < received_until_closed(idle).count(b"HTTP/1.1 200 ") < 32
    narrow.redis.flushdb()


def wait_for_room(system: System) -> None:
    """Wait until a connection is served. The test's timeout is the limit."""
    while True:
        with contextlib.suppress(ConnectionError), connect(system) as connection:
            connection.sendall(HEAD + b"\r\n")
            if read_answer(connection)[0] == 200:
                return
