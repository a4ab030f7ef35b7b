"""The entry: what a stream carries, the images of one or many requests for one model version.

On the stream an entry is two fields: `h`, a JSON header, and `x`, the pixels, 784 bytes per image. An entry of singles
has a reply channel. An entry with a `chunk` is that part of the job `uid`. A verbose entry has one image, and
the outputs of the model's layers are kept along with its result. Images whose request has an id or a trace have an
origin.
"""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import msgspec

from shared.errors import EntryError
from shared.images import IMAGE_BYTES, Images, images_from_pixels

FORMAT = 1
OVERHEAD_BYTES = 256  # size of an entry on its stream without pixels: the header, and what Redis adds
HEADER_FIELD = b"h"
PIXELS_FIELD = b"x"
REQUEST_ID = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Origin(NamedTuple):
    """The id that the request of an image brought, and the W3C `traceparent` of its span. Either may be empty."""

    request_id: str = ""
    traceparent: str = ""


NO_ORIGIN = Origin()


class EntryHeader(msgspec.Struct, frozen=True, omit_defaults=True, rename={"origins": "from"}):
    """The JSON of the field `h`. Defaults are not written. An origin has a position, a request id and a traceparent."""

    v: Annotated[int, msgspec.Meta(ge=0)]
    uid: str
    model: str
    at: Natural
    n: Annotated[int, msgspec.Meta(ge=0)]
    reply: str = ""
    chunk: Natural | msgspec.UnsetType = msgspec.UNSET
    deadlines: tuple[Natural, ...] = ()
    client: str = ""
    verbose: bool = False
    origins: tuple[tuple[Natural, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """`model` is `name@version`. Times are unix time. `deadlines_ms` is empty, or has one per image, 0 for none.

    `client` is the name of the API key of the request, empty without API keys. `origins` is by position. A chunk of a
    job has at most one origin, at 0, for all of its images.
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
        """Return the bytes that the entry counts for in the limit of its lane."""
        return len(self.pixels) + OVERHEAD_BYTES

    @property
    def images(self) -> Images:
        """Return a view of the pixels as uint8[N,28,28]."""
        return images_from_pixels(self.pixels)

    def origin(self, position: int) -> Origin:
        """Return the origin of the image at `position`."""
        return self.origins.get(position if self.chunk is None else 0, NO_ORIGIN)

    def request_id(self, position: int) -> str:
        """Return the id that the request of an image brought, or else the id of the image or of its job."""
        own = f"{self.uid}-{position}" if self.chunk is None else self.uid
        return self.origin(position).request_id or own


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(EntryHeader)


def encode_header(entry: Entry) -> bytes:
    """Return the field `h`. The field `x` is `entry.pixels` as it is."""
    header = EntryHeader(
        FORMAT,
        entry.uid,
        entry.model,
        entry.accepted_us,
        entry.count,
        entry.reply,
        msgspec.UNSET if entry.chunk is None else entry.chunk,
        entry.deadlines_ms,
        entry.client,
        entry.verbose,
        tuple([(position, *origin) for position, origin in entry.origins.items()]) if entry.origins else (),
    )
    return _encoder.encode(header)


def decode_entry(fields: Mapping[bytes, bytes]) -> Entry:
    """Read the fields of an entry that XREADGROUP returned. Raises EntryError if they are not an entry."""
    try:
        header = _decoder.decode(fields[HEADER_FIELD])
        pixels = fields[PIXELS_FIELD]
    except KeyError as error:
        raise EntryError(f"not an entry: there is no field {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EntryError(f"not an entry: {error}") from None
    if header.v != FORMAT:
        raise EntryError(f"entry format {header.v}, this worker reads {FORMAT}")
    entry = Entry(
        uid=header.uid,
        model=header.model,
        pixels=pixels,
        accepted_us=header.at,
        reply=header.reply,
        chunk=None if header.chunk is msgspec.UNSET else header.chunk,
        deadlines_ms=header.deadlines,
        client=header.client,
        verbose=header.verbose,
        origins=_origins(header) if header.origins else {},
    )
    if header.n != entry.count or len(pixels) % IMAGE_BYTES or not header.n:
        raise EntryError(f"entry says {header.n} images and carries {len(pixels)} bytes of pixels")
    if entry.deadlines_ms and len(entry.deadlines_ms) != entry.count:
        raise EntryError(f"entry of {entry.count} images has {len(entry.deadlines_ms)} deadlines")
    if entry.verbose and entry.count != 1:
        raise EntryError(f"a verbose entry has one image, this one {entry.count}")
    return entry


def _origins(header: EntryHeader) -> dict[int, Origin]:
    origins = {}
    for position, request_id, traceparent in header.origins:
        has_id = not request_id or REQUEST_ID.fullmatch(request_id)
        has_trace = not traceparent or TRACEPARENT.fullmatch(traceparent)
        if position >= header.n or not has_id or not has_trace:
            origin = reprlib.repr((position, request_id, traceparent))
            raise EntryError(f"not an entry: an origin {origin} of {header.n} images")
        origins[position] = Origin(request_id, traceparent)
    return origins
