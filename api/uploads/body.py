"""A request body as a stream: limited in size, with lookahead, and unpacked if it is gzipped."""

from collections.abc import AsyncIterator

from api.uploads.content_encoding import Encoding, Inflater
from api.uploads.ratio import Unpacked
from shared.errors import TooLarge

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # written by Windows programs before UTF-8
GZIP_MAGIC = b"\x1f\x8b"


def without_mark(text: bytes) -> bytes:
    """Return UTF-8 text without the byte order mark, which no JSON parser accepts."""
    return text.removeprefix(BYTE_ORDER_MARK)


class Body:
    """A stream of bytes with lookahead. Raises TooLarge above `limit_bytes`."""

    def __init__(self, pieces: AsyncIterator[bytes], limit_bytes: int) -> None:
        self._pieces = pieces
        self._limit_bytes = limit_bytes
        self._seen_bytes = 0
        self._ahead = bytearray()

    @property
    def seen_bytes(self) -> int:
        """Return the number of bytes received so far."""
        return self._seen_bytes

    async def peek(self, count: int) -> bytes:
        """Return the next `count` bytes without consuming them; fewer at the end."""
        await self._fill(count)
        return bytes(self._ahead[:count])

    async def read(self, count: int) -> bytes:
        """Consume and return the next `count` bytes; fewer at the end."""
        await self._fill(count)
        data = bytes(memoryview(self._ahead)[:count])
        del self._ahead[:count]
        return data

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the rest of the body as it arrives."""
        while await self._fill(1):
            data = bytes(self._ahead)
            self._ahead.clear()
            yield data

    async def _fill(self, count: int) -> bool:
        """Buffer `count` bytes. Return False if the body has no bytes left."""
        while len(self._ahead) < count:
            piece = await anext(self._pieces, None)
            if piece is None:
                break
            self._seen_bytes += len(piece)
            if self._seen_bytes > self._limit_bytes:
                raise TooLarge(f"the body is larger than {self._limit_bytes} bytes")
            self._ahead += piece
        return bool(self._ahead)


async def unpacked(body: Body, bound: Unpacked) -> Body:
    """Return the body unpacked if it is gzipped, and within `bound`."""
    if await body.peek(len(GZIP_MAGIC)) != GZIP_MAGIC:
        return body
    return await inflated(body, bound, "gzip")


async def inflated(body: Body, bound: Unpacked, encoding: Encoding) -> Body:
    """Return the body unpacked, and within `bound`. All gzip members are read."""
    return Body(_inflate(body, bound, Inflater(encoding, await body.peek(2))), bound.limit_bytes)


async def _inflate(body: Body, bound: Unpacked, inflater: Inflater) -> AsyncIterator[bytes]:
    async for piece in body.pieces():
        for data in inflater.feed(piece):
            bound.add(len(data), body.seen_bytes)
            yield data
    inflater.finish()
