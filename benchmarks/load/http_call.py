"""One blocking HTTP call to loopback, for what is not itself timed request by request."""

import http.client
from collections.abc import Mapping
from typing import Any

import orjson

from benchmarks.system.processes import BenchmarkError


def call(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> tuple[int, bytes]:
    """Status and body. Raises OSError while nothing listens there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def call_json(port: int, method: str, path: str, expected: int, body: bytes | None = None, kind: str = "") -> Any:
    """The JSON of a reply; `kind` is the body's Content-Type. Raises BenchmarkError for another status."""
    status, content = call(port, method, path, body, {"Content-Type": kind} if kind else None)
    if status != expected:
        raise BenchmarkError(
            f"{method} {path}: {status}, expected {expected}: {content[:500].decode(errors='replace')}"
        )
    return orjson.loads(content)
