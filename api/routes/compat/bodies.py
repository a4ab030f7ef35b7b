"""Request and response bodies of the compatibility APIs: limited, unpacked, and parsed in a thread if they are long."""

import asyncio
import zlib
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from api.routes.classify import read_body
from shared.errors import BadParameter, TooLarge, UnknownFormat

MAX_BODY_BYTES = 64 << 20  # Triton's own limit, also applied to the unpacked body
INLINE_BYTES = 16 << 10  # longer bodies are parsed in a thread, so that they do not block other requests
WINDOW_BITS = {"gzip": 31, "deflate": 15}  # deflate is the zlib format

T = TypeVar("T")


async def read_unpacked(request: Request) -> bytes:
    """Read and unpack the body. Raises TooLarge, UnknownFormat, or BadParameter for damaged data."""
    body = await read_body(request.receive, MAX_BODY_BYTES)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding not in WINDOW_BITS:
        raise UnknownFormat(f"content-encoding {encoding!r} is not supported, expected gzip or deflate")
    return await asyncio.to_thread(unpack, body, WINDOW_BITS[encoding])


def unpack(body: bytes, window_bits: int) -> bytes:
    """Unpack the body. Raises TooLarge above MAX_BODY_BYTES."""
    unpacker = zlib.decompressobj(window_bits)
    try:
        data = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise BadParameter(f"the body cannot be unpacked: {error}") from None
    if unpacker.unconsumed_tail:
        raise TooLarge(f"the unpacked body has more than {MAX_BODY_BYTES} bytes")
    if not unpacker.eof:
        raise BadParameter("the compressed body ends too early")
    return data


async def parsed(parse: Callable[[bytes], T], body: bytes) -> T:
    """Return `parse(body)`, called in a thread if the body is long."""
    return parse(body) if len(body) <= INLINE_BYTES else await asyncio.to_thread(parse, body)


def packed(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Compress a long body if `Accept-Encoding` allows it. Return it and its headers."""
    if len(body) <= INLINE_BYTES:
        return body, {}
    accepted = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    for encoding, window_bits in WINDOW_BITS.items():
        if encoding in accepted:
            packer = zlib.compressobj(1, zlib.DEFLATED, window_bits)
            return packer.compress(body) + packer.flush(), {"Content-Encoding": encoding}
    return body, {}
