"""Bodies of the protocol doors: read and unpacked within a bound, and parsed off the event loop where long."""

import asyncio
import zlib
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from api.routes.classify import read_body
from shared.errors import BadParameter, TooLarge, UnknownFormat

MAX_BODY_BYTES = 64 << 20  # also once unpacked; Triton's own bound
INLINE_BYTES = 16 << 10  # parsed at once; what is longer must not keep other requests waiting
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # deflate is the zlib format

T = TypeVar("T")


async def read_unpacked(request: Request) -> bytes:
    """The body, without its `Content-Encoding`. Raises TooLarge, UnknownFormat, and BadParameter for damaged data."""
    body = await read_body(request.receive, MAX_BODY_BYTES)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding not in WINDOW_BITS:
        raise UnknownFormat(f"content-encoding {encoding!r} is not known; gzip and deflate are")
    return await asyncio.to_thread(unpack, body, WINDOW_BITS[encoding])


def unpack(body: bytes, window_bits: int) -> bytes:
    """Never more than MAX_BODY_BYTES, whatever the body would make."""
    unpacker = zlib.decompressobj(window_bits)
    try:
        data = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise BadParameter(f"the body cannot be unpacked: {error}") from None
    if unpacker.unconsumed_tail:
        raise TooLarge(f"unpacked, the body has more than {MAX_BODY_BYTES} bytes")
    if not unpacker.eof:
        raise BadParameter("the packed body ends too early")
    return data


async def parsed(parse: Callable[[bytes], T], body: bytes) -> T:
    """What `parse` makes of the body."""
    return parse(body) if len(body) <= INLINE_BYTES else await asyncio.to_thread(parse, body)


def packed(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """The body as `Accept-Encoding` wants it, gzip or deflate, where that is worth it; and the headers that say so."""
    if len(body) <= INLINE_BYTES:
        return body, {}
    accepted = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    for encoding, window_bits in WINDOW_BITS.items():
        if encoding in accepted:
            packer = zlib.compressobj(1, zlib.DEFLATED, window_bits)
            return packer.compress(body) + packer.flush(), {"Content-Encoding": encoding}
    return body, {}
