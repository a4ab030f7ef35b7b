"""Request bodies that are compressed as a whole, as their `Content-Encoding` says."""

import zlib
from typing import Literal

from shared.errors import BadUpload, TooLarge, UnknownEncoding

Encoding = Literal["", "gzip", "deflate"]

GZIP_WINDOW, ZLIB_WINDOW, RAW_WINDOW = 31, 15, -15  # zlib's wbits
_BY_NAME: dict[str, Encoding] = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def encoding_of(content_encoding: str) -> Encoding:
    """Parse the header. Raises UnknownEncoding for other encodings, and for several at once."""
    encoding = _BY_NAME.get(content_encoding.strip().lower())
    if encoding is None:
        raise UnknownEncoding(
            f"Content-Encoding {content_encoding[:100]!r} is not supported: use gzip or deflate, or no encoding"
        )
    return encoding


def window_bits(encoding: Encoding, head: bytes) -> int:
    """Return zlib's wbits. `deflate` means the zlib format, but some clients send raw deflate data."""
    if encoding == "gzip":
        return GZIP_WINDOW
    is_zlib = len(head) > 1 and head[0] & 15 == zlib.DEFLATED and int.from_bytes(head[:2], "big") % 31 == 0
    return ZLIB_WINDOW if is_zlib else RAW_WINDOW


def unpack(body: bytes, encoding: Encoding, limit_bytes: int) -> bytes:
    """Return the unpacked body. Raises TooLarge above `limit_bytes`, and BadUpload for damaged data."""
    pieces: list[bytes] = []
    room, rest = limit_bytes + 1, body
    while rest:
        unpacker = zlib.decompressobj(window_bits(encoding, rest))
        try:
            pieces.append(unpacker.decompress(rest, room))
        except zlib.error as error:
            raise BadUpload(f"the body is not {encoding}, as its Content-Encoding says: {error}") from None
        room -= len(pieces[-1])
        if room <= 0:
            raise TooLarge(f"the unpacked body has more than {limit_bytes} bytes")
        if not unpacker.eof:
            raise BadUpload(f"the {encoding} data of the body ends too early")
        rest = unpacker.unused_data.lstrip(b"\0")  # gzip allows several members, and padding
    return b"".join(pieces)
