"""Request and response bodies of the compatibility APIs: limited and unpacked."""

import asyncio
import zlib

from starlette.requests import Request

from api.http.bodies import INLINE_BYTES, Held, read_body
from api.uploads.content_encoding import GZIP_WINDOW, ZLIB_WINDOW, encoding_of, unpack

MAX_TENSOR_BYTES = 32 << 20  # limit of a body with binary tensors: 10,000 images of float32
WINDOW_BITS = {"gzip": GZIP_WINDOW, "deflate": ZLIB_WINDOW}
SEND_LESS = "send fewer images per request, binary tensors (/v2), or a bulk upload (POST /mnist/classify/bulk)"


async def read_unpacked(request: Request, held: Held, limit_bytes: int) -> bytes:
    """Read and unpack the body. Raises TooLarge, QueueFull, UnknownEncoding, or BadUpload for damaged data."""
    encoding = encoding_of(request.headers.get("content-encoding", ""))
    body = await read_body(request.receive, limit_bytes, "this body", held, SEND_LESS)
    if not encoding:
        return body
    return await asyncio.to_thread(unpack, body, encoding, limit_bytes, held, SEND_LESS)


async def packed(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Compress a long body if `Accept-Encoding` allows it. Return it and its headers."""
    if len(body) <= INLINE_BYTES:
        return body, {}
    accepted = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    for encoding, window_bits in WINDOW_BITS.items():
        if encoding in accepted:
            return await asyncio.to_thread(zlib.compress, body, 1, window_bits), {"Content-Encoding": encoding}
    return body, {}
