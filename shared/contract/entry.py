"""The entry of a stream: the images of one or many requests for one model version.

On the stream an entry is two fields: `h`, a JSON header, and `x`, the pixels of the images one after the other. An
entry of singles has a reply channel. `chunk` is the number of the chunk of the job `uid` that the entry is. A verbose
entry has one image, and the outputs of the model's layers are kept along with its result. Images whose request has an
id or a trace have an origin.

Every release keeps the fields of `Envelope`, so that the images of an entry can fail with a reason even if nobody reads
its format. A new format gets a new number. Format 2 adds `shape`, `top`, `accept` and `items`. A worker answers an
entry of format 1 with a block of format 1, because the API that wrote it reads no other.
"""

import contextlib
import re
import reprlib
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec

from shared.contract.model_spec import MAX_IMAGE_BYTES, MAX_SIDE, MAX_TOP
from shared.errors import EntryError, EntryFormatError
from shared.images import Images, images_from_pixels
from shared.shapes import IMAGE_BYTES, MNIST_SHAPE, Shape

FORMAT = 2  # the newest format; an entry is written in the oldest one that says everything
FORMATS = (1, 2)  # the formats that this release reads
MAX_FORMAT = 1_000_000
MAX_ENTRY_IMAGES = 4096
ENTRY_BYTES = 512 << 10  # pixels of an entry, unless one image has more
THRESHOLD_OF_CARD = -1.0  # value of `accept`: the threshold of the version
OVERHEAD_BYTES = 256  # size of an entry on its stream without pixels: the header, and what Redis adds
HEADER_FIELD = b"h"
PIXELS_FIELD = b"x"
DEATHS_FIELD = b"d"  # workers that died with the entry before it was deferred: worker/batching/deferred.py
REASON_FIELD = b"r"  # the reason to fail the entry, because no worker reads its format
REQUEST_ID = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]


class Format(msgspec.Struct, frozen=True):
    """The format of an entry, which is read first."""

    v: Annotated[int, msgspec.Meta(ge=0, le=MAX_FORMAT)]


class Envelope(msgspec.Struct, frozen=True):
    """The fields of a header that say who waits for which images. They are the same in every format."""

    uid: str
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRY_IMAGES)]
    model: str
    reply: str = ""
    chunk: Natural | msgspec.UnsetType = msgspec.UNSET
    client: str = ""
    items: tuple[int, ...] = ()


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
    shape: tuple[Side, Side, Annotated[int, msgspec.Meta(ge=1, le=3)]] | msgspec.UnsetType = msgspec.UNSET
    top: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOP)] = 0
    accept: Annotated[float, msgspec.Meta(ge=THRESHOLD_OF_CARD, le=1)] | msgspec.UnsetType = msgspec.UNSET
    items: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """`model` is `name@version`. Times are unix time. `deadlines_ms` is empty, or has one per image, 0 for none.

    `client` is the name of the API key of the request, empty without API keys. `origins` is by position. A chunk of a
    job has at most one origin, at 0, for all of its images. `top` is the number of best labels that the request wants,
    0 for the usual number. `accept` is the threshold from which an answer is accepted: THRESHOLD_OF_CARD for the
    version's own, 0 for every answer, and None if the request has no threshold. `items` is for a chunk of numbers:
    the number of images of each item. An item has one state. `format` of an entry that was read is
    the one in which it was written. `format` of a new entry is the oldest one that can hold its answers.
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
    origins: Mapping[int, Origin] = msgspec.field(default_factory=dict)
    shape: Shape = MNIST_SHAPE
    top: int = 0
    accept: float | None = None
    items: tuple[int, ...] = ()
    format: int = FORMAT

    @property
    def image_bytes(self) -> int:
        """Return the number of bytes of one image."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def count(self) -> int:
        height, width, channels = self.shape
        return len(self.pixels) // (height * width * channels)

    @property
    def fits_format_1(self) -> bool:
        """Return whether format 1 says everything about the entry."""
        return self.shape == MNIST_SHAPE and not self.top and self.accept is None and not self.items

    @property
    def queued_bytes(self) -> int:
        """Return the bytes by which the entry counts in the limit of its lane."""
        return len(self.pixels) + OVERHEAD_BYTES

    @property
    def images(self) -> Images:
        """Return a view of the pixels as uint8[N,height,width], or uint8[N,height,width,3]."""
        return images_from_pixels(self.pixels, self.shape)

    def origin(self, position: int) -> Origin:
        """Return the origin of the image at `position`."""
        return self.origins.get(position if self.chunk is None else 0, NO_ORIGIN)

    def request_id(self, position: int) -> str:
        """Return the id that the request of an image brought, or else the id of the image or of its job."""
        own = f"{self.uid}-{position}" if self.chunk is None else self.uid
        return (self.origins and self.origin(position).request_id) or own


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(EntryHeader)
_format_decoder = msgspec.json.Decoder(Format)
_envelope_decoder = msgspec.json.Decoder(Envelope)


def encode_header(entry: Entry, entry_format: int = FORMAT) -> bytes:
    """Return the field `h`. The field `x` is `entry.pixels` as it is.

    The format is that of the entry, at most `entry_format`, or FORMAT if an older one does not say everything.
    """
    header = EntryHeader(
        min(entry.format, entry_format) if entry.fits_format_1 else FORMAT,
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
        msgspec.UNSET if entry.shape == MNIST_SHAPE else entry.shape,
        entry.top,
        msgspec.UNSET if entry.accept is None else entry.accept,
        entry.items,
    )
    return _encoder.encode(header)


def decode_entry(fields: Mapping[bytes, bytes]) -> Entry:
    """Read the fields of an entry that XREADGROUP returned.

    Raises EntryFormatError if the entry has another format, and EntryError if the fields are not an entry.
    """
    try:
        header = _decoder.decode(fields[HEADER_FIELD])
        if header.v not in FORMATS:
            raise _unreadable(fields, f"format {header.v}")
        pixels = fields[PIXELS_FIELD]
    except KeyError as error:
        raise _unreadable(fields, f"there is no field {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(fields, str(error)) from None
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
        shape=MNIST_SHAPE if header.shape is msgspec.UNSET else header.shape,
        top=header.top,
        accept=None if header.accept is msgspec.UNSET else header.accept,
        items=header.items,
        format=header.v,
    )
    _check(entry, header)
    return entry


def _check(entry: Entry, header: EntryHeader) -> None:
    """Raise EntryError if the header contradicts itself or the pixels."""
    image_bytes = entry.image_bytes
    if image_bytes > MAX_IMAGE_BYTES or entry.shape[2] == 2:
        raise EntryError(f"not an entry: images of shape {list(entry.shape)}")
    if header.n * image_bytes != len(entry.pixels) or not header.n:
        raise EntryError(f"entry says {header.n} images and carries {len(entry.pixels)} bytes of pixels")
    if entry.deadlines_ms and len(entry.deadlines_ms) != entry.count:
        raise EntryError(f"entry of {entry.count} images has {len(entry.deadlines_ms)} deadlines")
    if entry.items and sum(entry.items) != entry.count:
        raise EntryError(f"entry of {entry.count} images has items of {sum(entry.items)}")
    if entry.verbose and entry.count != 1:
        raise EntryError(f"a verbose entry has one image, this one {entry.count}")


def failed_entry(fields: Mapping[bytes, bytes]) -> Entry:
    """Return an entry that cannot be read, with black images, so that each image can fail.

    Raises EntryError if its envelope cannot be read either: nobody knows then who waits for the images.
    """
    try:
        envelope = _envelope_decoder.decode(fields.get(HEADER_FIELD, b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EntryError(f"not the envelope of an entry: {error}") from None
    return Entry(
        uid=envelope.uid,
        model=envelope.model,
        pixels=bytes(envelope.n * IMAGE_BYTES),
        accepted_us=0,
        reply=envelope.reply,
        chunk=None if envelope.chunk is msgspec.UNSET else envelope.chunk,
        client=envelope.client,
        items=envelope.items if sum(envelope.items) == envelope.n else (),
        format=1 if _format_of(fields) == 1 else FORMAT,
    )


def images_per_entry(image_bytes: int, max_images: int) -> int:
    """Return how many images an entry takes: up to `max_images`, and about ENTRY_BYTES, but at least one."""
    return max(1, min(max_images, ENTRY_BYTES // image_bytes))


def _unreadable(fields: Mapping[bytes, bytes], why: str) -> EntryError:
    """Return the error of an entry that cannot be read: EntryFormatError if the reason is its format."""
    found = _format_of(fields)
    if found is not None and found not in FORMATS:
        return EntryFormatError("entry", found, FORMATS)
    return EntryError(f"not an entry: {why}")


def _format_of(fields: Mapping[bytes, bytes]) -> int | None:
    """Return the format of an entry, or None if not even the format can be read."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _format_decoder.decode(fields.get(HEADER_FIELD, b"")).v
    return None


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
