"""Request and response bodies of the compatibility APIs: limited and unpacked."""

import asyncio
import zlib

from starlette.requests import Request

from api.http.bodies import INLINE_BYTES, Held, read_body
from api.uploads.content_encoding import GZIP_WINDOW, ZLIB_WINDOW
from shared.errors import BadParameter, TooLarge, UnknownFormat

MAX_TENSOR_BYTES = 32 << 20  # limit of a body with binary tensors: 10,000 images of float32
UNPACK_BYTES = 1 << 18
WINDOW_BITS = {"gzip": GZIP_WINDOW, "deflate": ZLIB_WINDOW}
SEND_LESS = "send fewer images per request, binary tensors (/v2), or a bulk upload (POST /mnist/classify/bulk)"


async def read_unpacked(request: Request, held: Held, limit_bytes: int) -> bytes:
    """Read and unpack the body. Raises TooLarge, QueueFull, UnknownFormat, or BadParameter for damaged data."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity" and encoding not in WINDOW_BITS:
        raise UnknownFormat(f"content-encoding {encoding!r} is not supported, expected gzip or deflate")
    body = await read_body(request.receive, limit_bytes, "this body", held, SEND_LESS)
    if encoding == "identity":
        return body
    return await asyncio.to_thread(unpack, body, WINDOW_BITS[encoding], limit_bytes, held)


def unpack(body: bytes, window_bits: int, limit_bytes: int, held: Held | None = None) -> bytes:
    """Unpack the body, and count its size in `held`. Raises TooLarge above `limit_bytes`, and QueueFull."""
    unpacker = zlib.decompressobj(window_bits)
    data = bytearray()
    try:
        while body and not unpacker.eof:
            piece = unpacker.decompress(body, UNPACK_BYTES)
            body = unpacker.unconsumed_tail
            data += piece
            if held is not None:
                held.add(len(piece))
            if len(data) > limit_bytes:
                raise TooLarge(f"the unpacked body has more than {limit_bytes} bytes: {SEND_LESS}")
    except zlib.error as error:
        raise BadParameter(f"the body cannot be unpacked: {error}") from None
    if not unpacker.eof:
        raise BadParameter("the compressed body ends too early")
    return bytes(data)


async def packed(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Compress a long body if `Accept-Encoding` allows it. Return it and its headers."""
    if len(body) <= INLINE_BYTES:
        return body, {}
    accepted = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    for encoding, window_bits in WINDOW_BITS.items():
        if encoding in accepted:
            return await asyncio.to_thread(zlib.compress, body, 1, window_bits), {"Content-Encoding": encoding}
    return body, {}
