"""Request bodies that are compressed as a whole, as their `Content-Encoding` says."""

import zlib
from collections.abc import Iterator
from typing import Literal

from api.http.bodies import Held
from shared.errors import BadUpload, TooLarge, UnknownEncoding

Encoding = Literal["", "gzip", "deflate"]

GZIP_WINDOW, ZLIB_WINDOW, RAW_WINDOW = 31, 15, -15  # zlib's wbits
UNPACK_BYTES = 1 << 18  # unpacked at a time, independent of the ratio
PACKED_BYTES = 1 << 12  # packed bytes given to zlib at a time, if the whole body is in memory
# A gzip member may have only 20 bytes, and costs some microseconds.
MAX_SMALL_MEMBERS = 1000
MEMBER_BYTES = 512  # packed, for each further member
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


class Inflater:
    """Unpacks a stream of gzip or deflate data. `head` are its first two bytes."""

    def __init__(self, encoding: Encoding, head: bytes) -> None:
        self._encoding = encoding
        self._window_bits = window_bits(encoding, head)
        self._unpacker = zlib.decompressobj(self._window_bits)
        self._members = 1
        self._packed_bytes = 0

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what a piece of the stream unpacks to, at most UNPACK_BYTES at a time.

        Raises BadUpload for damaged data, and for very many small gzip members. zlib copies the rest of the piece for
        each member, so a piece should not be large.
        """
        self._packed_bytes += len(packed)
        data = b""
        while packed or len(data) == UNPACK_BYTES:
            if self._unpacker.eof:
                packed = packed.lstrip(b"\0")  # padding, which gzip allows between and after members
                if not packed:
                    return
                self._begin_member()
            try:
                data = self._unpacker.decompress(packed, UNPACK_BYTES)
            except zlib.error as error:
                raise BadUpload(f"damaged {self._encoding} data, or data of another format: {error}") from None
            packed = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
            if data:
                yield data

    def _begin_member(self) -> None:
        self._unpacker = zlib.decompressobj(self._window_bits)
        self._members += 1
        if self._members > MAX_SMALL_MEMBERS + self._packed_bytes // MEMBER_BYTES:
            raise BadUpload(
                f"the body has more than {MAX_SMALL_MEMBERS} gzip members, of less than {MEMBER_BYTES} bytes each: "
                "compress it as one"
            )

    def finish(self) -> None:
        """Raise BadUpload if the stream has ended too early."""
        if not self._unpacker.eof:
            raise BadUpload(f"the {self._encoding} data ends too early")


def unpack(body: bytes, encoding: Encoding, limit_bytes: int, held: Held | None = None, advice: str = "") -> bytes:
    """Return the unpacked body, and count its size in `held`.

    Raises TooLarge with `advice` above `limit_bytes`, BadUpload for damaged data or too many gzip members, and
    QueueFull if all requests together hold too much.
    """
    inflater = Inflater(encoding, body[:2])
    unpacked = bytearray()
    for start in range(0, len(body), PACKED_BYTES):
        for piece in inflater.feed(body[start : start + PACKED_BYTES]):
            unpacked += piece
            if held is not None:
                held.add(len(piece))
            if len(unpacked) > limit_bytes:
                raise TooLarge(f"the unpacked body has more than {limit_bytes} bytes{advice and f': {advice}'}")
    inflater.finish()
    return bytes(unpacked)
