"""Clients that speak HTTP/1.0 get their responses without chunked encoding."""

import json
import socket

import pytest

from tests.support.proxy import received_until_closed
from tests.support.system import System

TELLS_NO_LENGTH = {
    "items": ("items?limit=200", b"Accept: application/x-ndjson\r\n"),
    "events": ("events", b""),
}


@pytest.fixture(scope="module")
def job(system: System) -> str:
    job_id = system.submit(json={"start": 0, "stop": 200})
    system.finished(job_id)
    return f"/results/{job_id}"


def received(system: System, head: bytes) -> tuple[bytes, bytes]:
    """Return the head of the response and the rest of the connection."""
    with socket.create_connection(("127.0.0.1", system.port), timeout=30) as connection:
        connection.sendall(head + b"\r\n")
        first, _, rest = received_until_closed(connection).partition(b"\r\n\r\n")
        return first.lower(), rest


@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"], ids=["once", "keep-alive"])
@pytest.mark.parametrize("version", [b"1.0", b"0.9"])
@pytest.mark.parametrize("name", TELLS_NO_LENGTH)
def test_a_stream_ends_with_its_connection(system: System, job: str, name: str, version: bytes, kept: bytes) -> None:
    tail, accept = TELLS_NO_LENGTH[name]
    head, body = received(system, b"GET %s/%s HTTP/%s\r\n" % (job.encode(), tail.encode(), version) + accept + kept)
    assert head.startswith(b"http/1.1 200 ")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    if name == "items":
        assert [json.loads(line)["index"] for line in body.splitlines()] == list(range(200))
    else:
        assert body.startswith(b"retry: ")
        assert body.endswith(b"}\n\n")


@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"], ids=["once", "keep-alive"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_response_with_a_length_keeps_it(system: System, method: bytes, kept: bytes) -> None:
    head, body = received(system, method + b" /mnist/label/7 HTTP/1.0\r\n" + kept)
    assert b"content-length: " in head
    assert len(body) == (0 if method == b"HEAD" else int(head.partition(b"content-length: ")[2].split()[0]))


def test_no_interim_response_is_sent(system: System) -> None:
    """HTTP/1.0 has none, so the expectation is ignored (RFC 9110, 10.1.1)."""
    expectation = b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nab"
    head, _ = received(system, b"POST /mnist/classify HTTP/1.0\r\n" + expectation)
    assert head.startswith(b"http/1.1 400 ")


def test_chunks_are_kept_for_http_1_1(system: System, job: str) -> None:
    head, body = received(system, b"GET %s/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % job.encode())
    assert b"transfer-encoding: chunked" in head
    assert body.endswith(b"0\r\n\r\n")
