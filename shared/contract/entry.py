"""The entry: what a stream carries, the images of one or many requests for one model version.

On the stream an entry is two fields: `h`, a JSON header, and `x`, the pixels, 784 bytes an image. An entry of singles
has a reply channel; an entry with a `chunk` is that part of the job `uid`. A verbose entry has one image, and what the
model's layers make of it is kept beside its result. Images whose request brought an id or a trace have an origin.
"""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from shared.errors import EntryError
from shared.images import IMAGE_BYTES, Images, images_from_pixels

FORMAT = 1
OVERHEAD_BYTES = 256  # of an entry on its stream beside the pixels: the header, and what Redis adds
HEADER_FIELD = b"h"
PIXELS_FIELD = b"x"
REQUEST_ID = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Origin(NamedTuple):
    """Of an image: the id that its request brought, and the W3C `traceparent` of its span; either may be empty."""

    request_id: str = ""
    traceparent: str = ""


NO_ORIGIN = Origin()
_PATTERNS = (REQUEST_ID, TRACEPARENT)


@dataclass(frozen=True, slots=True)
class Entry:
    """`model` is `name@version`; times are unix time; `deadlines_ms` has one per image, 0 for none, or is empty.

    `client` is the name of the API key that the images came with; empty where none is asked for. `origins` has those
    that there are by position; a chunk of a job has at most one, at 0, for all of its images.
    """

    uid: str
    model: str
    pixels: bytes | bytearray | memoryview
    accepted_us: int
    reply: str = ""
    chunk: int | None = None
    deadlines_ms: tuple[int, ...] = ()
    client: str = ""
    verbose: bool = False
    origins: Mapping[int, Origin] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.pixels) // IMAGE_BYTES

    @property
    def queued_bytes(self) -> int:
        """What the entry counts for in its lane's bound, the same wherever it is worked out."""
        return len(self.pixels) + OVERHEAD_BYTES

    @property
    def images(self) -> Images:
        """uint8[N,28,28], a view."""
        return images_from_pixels(self.pixels)

    def origin(self, position: int) -> Origin:
        """Of the image at `position`."""
        return self.origins.get(position if self.chunk is None else 0, NO_ORIGIN)

    def request_id(self, position: int) -> str:
        """That of the image's request: the id that it brought, else its own, or its job's."""
        own = f"{self.uid}-{position}" if self.chunk is None else self.uid
        return self.origin(position).request_id or own


def encode_header(entry: Entry) -> bytes:
    """The `h` field; the `x` field is `entry.pixels` as it is."""
    header: dict[str, object] = {
        "v": FORMAT,
        "uid": entry.uid,
        "model": entry.model,
        "at": entry.accepted_us,
        "n": entry.count,
    }
    if entry.reply:
        header["reply"] = entry.reply
    if entry.chunk is not None:
        header["chunk"] = entry.chunk
    if entry.deadlines_ms:
        header["deadlines"] = entry.deadlines_ms
    if entry.client:
        header["client"] = entry.client
    if entry.verbose:
        header["verbose"] = True
    if entry.origins:
        header["from"] = [(position, *origin) for position, origin in entry.origins.items()]
    return orjson.dumps(header)


def decode_entry(fields: Mapping[bytes, bytes]) -> Entry:
    """Read what XREADGROUP returned for one entry. Raises EntryError for anything that is not an entry."""
    try:
        header = orjson.loads(fields[HEADER_FIELD])
        pixels = fields[PIXELS_FIELD]
        if _integer(header["v"]) != FORMAT:
            raise EntryError(f"entry format {header['v']}, this worker reads {FORMAT}")
        count = _integer(header["n"])
        entry = Entry(
            uid=_string(header["uid"]),
            model=_string(header["model"]),
            pixels=pixels,
            accepted_us=_integer(header["at"]),
            reply=_string(header.get("reply", "")),
            chunk=_integer(header["chunk"]) if "chunk" in header else None,
            deadlines_ms=tuple(_integer(deadline) for deadline in header.get("deadlines", ())),
            client=_string(header.get("client", "")),
            verbose=_boolean(header.get("verbose", False)),
            origins=_origins(header["from"], count) if "from" in header else {},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EntryError(f"not an entry: {error!r}") from None
    if count != entry.count or len(pixels) % IMAGE_BYTES or not count:
        raise EntryError(f"entry says {count} images and carries {len(pixels)} bytes of pixels")
    if entry.deadlines_ms and len(entry.deadlines_ms) != count:
        raise EntryError(f"entry of {count} images has {len(entry.deadlines_ms)} deadlines")
    if entry.verbose and count != 1:
        raise EntryError(f"a verbose entry has one image, this one {count}")
    return entry


def _origins(listed: list[tuple[int, str, str]], count: int) -> dict[int, Origin]:
    origins = {_integer(position): Origin(_string(request), _string(trace)) for position, request, trace in listed}
    for position, origin in origins.items():
        known = [not text or pattern.fullmatch(text) for text, pattern in zip(origin, _PATTERNS, strict=True)]
        if position >= count or not all(known):
            raise ValueError(f"an origin {reprlib.repr((position, *origin))} of {count} images")
    return origins


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {reprlib.repr(value)}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {reprlib.repr(value)}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"expected an integer from 0, not {reprlib.repr(value)}")
    return value
