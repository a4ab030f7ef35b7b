"""The small part of HTTP/1.1 that a load needs: a POST of an image, and a reply with a Content-Length."""

import re

END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)


class Incomplete(Exception):
    """The rest of the reply has not arrived yet."""


def to_request(path: str, png: bytes, host: str = "127.0.0.1", key: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\nContent-Length: {len(png)}"
    head += f"\r\nAuthorization: Bearer {key}" if key else ""
    return head.encode() + END_OF_HEAD + png


def read_reply(received: bytes) -> tuple[int, bytes]:
    """Return status and body of one whole reply. Raises Incomplete, or ValueError for one without a Content-Length."""
    head, separator, body = received.partition(END_OF_HEAD)
    if not separator:
        raise Incomplete
    length = LENGTH.search(head)
    if length is None:
        raise ValueError(f"a reply without a Content-Length: {head[:200]!r}")
    if len(body) < int(length[1]):
        raise Incomplete
    return int(head[9:12]), body


def retry_after_s(reply: bytes) -> float:
    """Return the seconds of `Retry-After`, 0 if the reply has none."""
    found = RETRY_AFTER.search(reply.partition(END_OF_HEAD)[0])
    return float(found[1]) if found else 0.0
