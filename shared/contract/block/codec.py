"""The bytes of a block.

Layout of format 2: uint32 little-endian header length, JSON header, uint16[n] predictions (NO_PREDICTION for an image
without one), then the probabilities, all little-endian. Up to MAX_DENSE_LABELS labels, these are float32[n,labels]. Of
more labels only the best are kept: uint16[n,top] labels, the best first, and float32[n,top]. If the header says so,
float32[n] scores and uint8[n] stages follow. Images without a prediction have zeros.

Format 1 has uint8[n] predictions (255 for none) and float32[n,10]. Format 1 is written for entries of format 1, and
for all results that it can express, because the previous release reads no other format.

Every release keeps the length of the header and its field `v`. A new format gets a new number.
"""

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.block import NO_PREDICTION, Block, FinalState
from shared.contract.model_spec import MAX_DENSE_LABELS, MAX_LABELS, MAX_TOP
from shared.errors import EntryError, EntryFormatError
from shared.shapes import CLASSES

FORMAT = 2
FORMATS = (1, 2)  # the formats that this release reads
_NO_PREDICTION_1 = 255
_UINT8: np.dtype[np.uint8] = np.dtype(np.uint8)
_UINT16: np.dtype[np.uint16] = np.dtype("<u2")
_FLOAT32: np.dtype[np.float32] = np.dtype("<f4")

Natural = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class BlockFormat(msgspec.Struct, frozen=True):
    """The format of a block, which is read first."""

    v: int = 1


class BlockHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON header. That of format 1 has neither `v` nor any field after it.

    A fault has the position of an image without a prediction, its state and the reason. `labels` is the number of
    labels, 0 if no image has a prediction.
    """

    n: Natural
    model: str
    worker: str
    attempt: int
    batch_images: int
    queue_ms: float
    model_ms: float
    client: str
    faults: tuple[tuple[Natural, FinalState, str], ...]
    v: int = 1
    labels: Annotated[int, msgspec.Meta(ge=0, le=MAX_LABELS)] = 0
    top: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOP)] = 0
    rule: Share | msgspec.UnsetType = msgspec.UNSET
    accept: Share | msgspec.UnsetType = msgspec.UNSET
    scores: bool = False
    stages: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BlockHeader)
_format_decoder = msgspec.json.Decoder(BlockFormat)


def encode_block(block: Block, entry_format: int = FORMAT) -> bytes:
    """Return the bytes of a block that answers an entry of `entry_format`.

    For an entry of format 1, scores and stages are left out, because the API that wrote it does not know them.
    """
    count, labels = len(block.predictions), block.label_count
    fields = (
        count,
        block.model,
        block.worker,
        block.attempt,
        block.batch_images,
        round(block.queue_ms, 3),
        round(block.model_ms, 3),
        block.client,
        tuple([(position, *fault) for position, fault in block.faults.items()]) if block.faults else (),
    )
    if block.fits_format_1 or (entry_format == 1 and labels == CLASSES):
        # The low byte of NO_PREDICTION is 255, which means the same in format 1.
        predictions = block.predictions.astype(_UINT8)
        probabilities = block.probabilities if labels else np.zeros((count, CLASSES), np.float32)
        return _packed(BlockHeader(*fields), [predictions, np.ascontiguousarray(probabilities, _FLOAT32)])
    header = BlockHeader(
        *fields,
        FORMAT,
        labels,
        block.top if block.best is None else block.best.shape[1],
        block.rule or msgspec.UNSET,
        block.accept or msgspec.UNSET,
        block.scores is not None,
        block.stages is not None,
    )
    arrays = (
        (block.predictions, _UINT16),
        (block.best, _UINT16),
        (block.probabilities, _FLOAT32),
        (block.scores, _FLOAT32),
        (block.stages, _UINT8),
    )
    return _packed(header, [np.ascontiguousarray(array, kind) for array, kind in arrays if array is not None])


def _packed(header: BlockHeader, arrays: Sequence[Any]) -> bytes:
    """Return the bytes of a block. The arrays are contiguous."""
    encoded = _encoder.encode(header)
    return b"".join((len(encoded).to_bytes(4, "little"), encoded, *arrays))


def decode_block(data: bytes | memoryview) -> Block:
    """Read a block; the arrays are views of `data`.

    Raises EntryFormatError if the block has a format that this release does not read, and EntryError if it is damaged.
    """
    start = 4 + int.from_bytes(data[:4], "little")
    header = _read_header(data[4:start])
    count, labels = header.n, header.labels if header.v > 1 else CLASSES
    only_best = labels > MAX_DENSE_LABELS
    kept = header.top if only_best else labels
    row_bytes = (2 if header.v > 1 else 1) + (6 if only_best else 4) * kept + 4 * header.scores + header.stages
    if len(data) != start + count * row_bytes:
        raise EntryError(f"not a block: {count} results in {len(data)} bytes")
    views = _Views(data, start)
    predictions = views.take(_UINT16, count) if header.v > 1 else _of_format_1(views.take(_UINT8, count), header)
    best = views.take(_UINT16, count * kept).reshape(count, kept) if only_best else None
    return Block(
        predictions=predictions,
        probabilities=views.take(_FLOAT32, count * kept).reshape(count, kept),
        model=header.model,
        worker=header.worker,
        attempt=header.attempt,
        batch_images=header.batch_images,
        queue_ms=header.queue_ms,
        model_ms=header.model_ms,
        client=header.client,
        faults={position: (state, reason) for position, state, reason in header.faults} if header.faults else {},
        best=best,
        best_of=labels if only_best else 0,
        top=header.top,
        scores=views.take(_FLOAT32, count) if header.scores else None,
        stages=views.take(_UINT8, count) if header.stages else None,
        rule=header.rule or 0.0,
        accept=header.accept or 0.0,
    )


class _Views:
    """Arrays that follow one another in the bytes of a block."""

    def __init__(self, data: bytes | memoryview, start: int) -> None:
        self._data, self._at = data, start

    def take(self, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.frombuffer(self._data, dtype, count, self._at)
        self._at += count * dtype.itemsize
        return array


def _of_format_1(predictions: npt.NDArray[np.uint8], header: BlockHeader) -> npt.NDArray[np.uint16]:
    widened = predictions.astype(np.uint16)
    if header.faults:  # only their images have no prediction
        widened[widened == _NO_PREDICTION_1] = NO_PREDICTION
    return widened


def _read_header(encoded: bytes | memoryview) -> BlockHeader:
    try:
        header = _decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_other_formats(encoded)
        raise EntryError(f"not a block: {error}") from None
    if header.v not in FORMATS:
        raise EntryFormatError("result", header.v, FORMATS)
    if header.faults and any(position >= header.n for position, _, _ in header.faults):
        raise EntryError(f"not a block: a fault past its {header.n} results")
    return header


def _refuse_other_formats(header: bytes | memoryview) -> None:
    """Raise EntryFormatError if a header that cannot be read says another format."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _format_decoder.decode(header).v
        if found not in FORMATS:
            raise EntryFormatError("result", found, FORMATS)
