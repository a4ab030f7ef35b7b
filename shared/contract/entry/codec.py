"""The bytes of an entry on its stream."""

import contextlib
import reprlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from shared.contract.entry import (
    FORMAT,
    FORMATS,
    MAX_ENTRY_IMAGES,
    REQUEST_ID,
    THRESHOLD_OF_CARD,
    TRACEPARENT,
    Entry,
    Origin,
)
from shared.contract.model_spec import MAX_IMAGE_BYTES, MAX_SIDE, MAX_TOP
from shared.errors import EntryError, EntryFormatError
from shared.shapes import IMAGE_BYTES, MNIST_SHAPE

MAX_FORMAT = 1_000_000
HEADER_FIELD = b"h"
PIXELS_FIELD = b"x"
DEATHS_FIELD = b"d"  # workers that died with the entry before it was deferred: worker/batching/deferred.py
REASON_FIELD = b"r"  # the reason to fail the entry, because no worker reads its format

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
