"""The block: the packed results of one entry, as the worker writes them and the API reads them.

Layout: uint32 little-endian header length, JSON header, uint8[n] predictions (NO_PREDICTION for an image without one),
float32[n,10] probabilities, little-endian (zeros for an image without a prediction).

Every release keeps the length of the header and its field `v`. A new format gets a new number: the API reads it one
release before workers write it.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import EntryError, EntryFormatError
from shared.images import CLASSES, Probabilities

NO_PREDICTION = 255
FORMAT = 1  # the format that this release writes, and the only one that it reads

FinalState = Literal["done", "failed", "expired", "cancelled"]


class BlockFormat(msgspec.Struct, frozen=True):
    """The format of a block, which is read first."""

    v: int = FORMAT


class BlockHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON header. Format 1 is not written.

    A fault has the position of an image without a prediction, its state and the reason.
    """

    n: Annotated[int, msgspec.Meta(ge=0)]
    model: str
    worker: str
    attempt: int
    batch_images: int
    queue_ms: float
    model_ms: float
    client: str
    faults: tuple[tuple[Annotated[int, msgspec.Meta(ge=0)], FinalState, str], ...]
    v: int = FORMAT


@dataclass(frozen=True, slots=True)
class Block:
    """Results in the order of the entry's images.

    `faults` has `(state, reason)` for each position without a prediction. `queue_ms` is the time from acceptance to the
    start of the batch, `model_ms` the engine's time for the whole batch of `batch_images`.
    """

    predictions: npt.NDArray[np.uint8]  # uint8[n]
    probabilities: Probabilities  # float32[n,10]
    model: str
    worker: str
    attempt: int
    batch_images: int
    queue_ms: float
    model_ms: float
    client: str = ""
    faults: Mapping[int, tuple[FinalState, str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.predictions)


def failed_block(count: int, model: str, reason: str) -> Block:
    """Return the block of an entry that reached no worker: all of its images failed with `reason`."""
    faults: dict[int, tuple[FinalState, str]] = dict.fromkeys(range(count), ("failed", reason))
    predictions = np.full(count, NO_PREDICTION, np.uint8)
    return Block(predictions, np.zeros((count, CLASSES), np.float32), model, "", 0, 0, 0.0, 0.0, faults=faults)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BlockHeader)
_format_decoder = msgspec.json.Decoder(BlockFormat)


def encode_block(block: Block) -> bytes:
    header = _encoder.encode(
        BlockHeader(
            block.count,
            block.model,
            block.worker,
            block.attempt,
            block.batch_images,
            round(block.queue_ms, 3),
            round(block.model_ms, 3),
            block.client,
            tuple([(position, state, reason) for position, (state, reason) in block.faults.items()]),
        )
    )
    return b"".join(
        (
            len(header).to_bytes(4, "little"),
            header,
            block.predictions.astype(np.uint8, copy=False).tobytes(),
            block.probabilities.astype("<f4", copy=False).tobytes(),
        )
    )


def decode_block(data: bytes | memoryview) -> Block:
    """Read a block; the arrays are views of `data`.

    Raises EntryFormatError if the block has another format, and EntryError if it is damaged.
    """
    start = 4 + int.from_bytes(data[:4], "little")
    try:
        header = _decoder.decode(data[4:start])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_other_formats(data[4:start])
        raise EntryError(f"not a block: {error}") from None
    if header.v != FORMAT:
        raise EntryFormatError("result", header.v, FORMAT)
    count = header.n
    if len(data) != start + count * (1 + 4 * CLASSES):
        raise EntryError(f"not a block: {count} results in {len(data)} bytes")
    if any(position >= count for position, _, _ in header.faults):
        raise EntryError(f"not a block: a fault past its {count} results")
    return Block(
        predictions=np.frombuffer(data, np.uint8, count, start),
        probabilities=np.frombuffer(data, "<f4", count * CLASSES, start + count).reshape(count, CLASSES),
        model=header.model,
        worker=header.worker,
        attempt=header.attempt,
        batch_images=header.batch_images,
        queue_ms=header.queue_ms,
        model_ms=header.model_ms,
        client=header.client,
        faults={position: (state, reason) for position, state, reason in header.faults},
    )


def _refuse_other_formats(header: bytes | memoryview) -> None:
    """Raise EntryFormatError if a header that cannot be read says another format."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _format_decoder.decode(header).v
        if found != FORMAT:
            raise EntryFormatError("result", found, FORMAT)
