"""Request bodies that are read as a whole: limits of their size, of all of them together, and of parsing."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from starlette.types import Receive

from api.http.responses import RETRY_AFTER_S
from shared.errors import BadUpload, QueueFull, TooLarge

SMALL_BYTES = 64 << 10  # bodies up to this size are not counted: the number of connections limits them
INLINE_BYTES = 16 << 10  # longer bodies are parsed or compressed in a thread, so that they do not block other requests
PARSERS = 2  # they compete with the event loop for the GIL, and each needs several times the size of its body

T = TypeVar("T")


class Held:
    """The bytes that one request holds, from `with` to its end. `add` may be called in any thread."""

    def __init__(self, bodies: "Bodies") -> None:
        self._bodies = bodies
        self.held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.held_bytes:
            self._bodies.count(-self.held_bytes)

    def set(self, size_bytes: int) -> None:
        """Count `size_bytes` instead of the bytes so far, or nothing for a small file. Raises QueueFull."""
        self.add((size_bytes if size_bytes > SMALL_BYTES else 0) - self.held_bytes)

    def add(self, count: int) -> None:
        """Count more bytes. Raises QueueFull above the limit of the process."""
        if count:
            self._bodies.count(count)
            self.held_bytes += count


class Bodies:
    """The bodies that one process holds. `limit_bytes` is the setting MAX_HELD_BODY_BYTES."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._parsers = ThreadPoolExecutor(PARSERS, "parse")

    def held(self) -> Held:
        """Return what counts the bytes of one request."""
        return Held(self)

    def count(self, count: int) -> None:
        """Change the number of bytes held. Raises QueueFull if it would be above the limit."""
        with self._lock:
            if count > 0 and self._held_bytes + count > self._limit_bytes:
                detail = f"the bodies of requests fill the memory for them ({self._limit_bytes} bytes) in this process"
                raise QueueFull(detail, RETRY_AFTER_S, "bodies")
            self._held_bytes += count

    async def parse(self, parse: Callable[[bytes], T], body: bytes) -> T:
        """Return `parse(body)`, called in a thread if the body is long. Few are parsed at once, others wait."""
        if len(body) <= INLINE_BYTES:
            return parse(body)
        return await asyncio.get_running_loop().run_in_executor(self._parsers, parse, body)

    def close(self) -> None:
        """Cancel what has not begun, and do not wait for the rest."""
        self._parsers.shutdown(wait=False, cancel_futures=True)


async def read_body(
    receive: Receive, limit_bytes: int, name: str = "an image file", held: Held | None = None, advice: str = ""
) -> bytes:
    """Read the whole body, and count a long one in `held`. `name` and `advice`, if there is any, are used in errors.

    Raises TooLarge, QueueFull if all bodies together are too large, or BadUpload if the client disconnects.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadUpload("the client disconnected before the end of its body")
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size_bytes = len(body) + len(piece)
        if size_bytes > limit_bytes:
            raise TooLarge(f"{name} may have at most {limit_bytes} bytes{advice and ': '}{advice}")
        if held is not None and size_bytes > SMALL_BYTES:
            held.add(size_bytes - held.held_bytes)
        if not more and not body:
            return bytes(piece)
        body += piece
        if not more:
            return bytes(body)
