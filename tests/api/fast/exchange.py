"""Requests as bytes on a connection, and their responses. The same bytes can take the fast path or the general one."""

import re
import socket
from typing import Any, BinaryIO, NamedTuple

import httpx
import orjson

CLASSIFY = "/mnist/classify"
AHEAD = (
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"  # requests that are pipelined behind it take the general path
)
GENERATED_ID = re.compile(r"[0-9a-f]{16}(-\d+)?")
TIMES = ("queue_ms", "model_ms")


class Reply(NamedTuple):
    """The status line, the headers in their order, and the body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return dict(self.headers)[name]


def request(
    body: bytes,
    *headers: str,
    target: str = CLASSIFY,
    method: str = "POST",
    version: str = "1.1",
    host: str = "localhost",
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def read_reply(stream: BinaryIO) -> Reply:
    """Read one response. Its body ends with its length, or with the connection."""
    status = stream.readline().decode().rstrip()
    headers = []
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(": ")
        headers.append((name, value))
    length = dict(headers).get("content-length")
    return Reply(status, headers, stream.read() if length is None else stream.read(int(length)))


def send(port: int, raw: bytes, general: bool = False) -> Reply:
    """Send a request on a new connection, on the general path if `general`."""
    with connect(port) as connection, connection.makefile("rb") as stream:
        connection.sendall(AHEAD + raw if general else raw)
        if general:
            read_reply(stream)
        return read_reply(stream)


def comparable(reply: Reply) -> tuple[str, list[tuple[str, str]], Any]:
    """Return a response without ids that were generated, times, and the sizes that depend on them.

    The order of its headers has no meaning, and is not the same for all endpoints.
    """
    headers = []
    for name, value in reply.headers:
        if name == "content-length":
            assert int(value) == len(reply.body)
            continue
        kept = name != "date" and not (name in ("x-request-id", "location") and GENERATED_ID.search(value))
        headers.append((name, value if kept else ""))
    if "json" not in dict(headers).get("content-type", ""):
        return reply.status, sorted(headers), reply.body
    assert reply.body.endswith(b"\n")
    content = orjson.loads(reply.body)
    for name in {"id", "elapsed_time_ms", "links", "state"} & content.keys():
        content[name] = type(content[name]).__name__
    for name in TIMES:
        if name in content.get("debug", {}):
            content["debug"][name] = type(content["debug"][name]).__name__
    return reply.status, sorted(headers), list(content.items())


def fast_answers(http: httpx.Client) -> int:
    """Return how many requests the fast path has answered."""
    found = re.search(r"^mnistified_fast_answers_total (\d+)", http.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])
