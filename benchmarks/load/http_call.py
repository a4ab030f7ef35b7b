"""One blocking HTTP call to loopback, for peers and for the routes that our Python client lacks."""

import http.client
from collections.abc import Mapping


def call(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> tuple[int, bytes]:
    """Return status and body. Raises OSError if nothing listens at `port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def answers_png(port: int, path: str, png: bytes, timeout_s: float) -> bool:
    """Return whether the response to an image is a 200. False, too, while nothing listens, and after a time-out."""
    try:
        status, _ = call(port, "POST", path, png, {"Content-Type": "image/png"}, timeout_s)
    except OSError:
        return False
    return status == 200
