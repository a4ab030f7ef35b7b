"""The block: the packed results of one entry, as the worker writes them and the API reads them.

Layout of format 2: uint32 little-endian header length, JSON header, uint16[n] predictions (NO_PREDICTION for an image
without one), then the probabilities, all little-endian. Up to MAX_DENSE_LABELS labels, these are float32[n,labels]. Of
more labels only the best are kept: uint16[n,top] labels, the best first, and float32[n,top]. If the header says so,
float32[n] scores and uint8[n] stages follow. Images without a prediction have zeros.

Format 1 has uint8[n] predictions (255 for none) and float32[n,10]. It is written where it says everything, because the
previous release reads no other, and for entries of format 1.

Every release keeps the length of the header and its field `v`. A new format gets a new number.
"""

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.model_spec import DEFAULT_TOP, MAX_DENSE_LABELS, MAX_LABELS, MAX_TOP
from shared.errors import EntryError, EntryFormatError
from shared.images import Probabilities
from shared.shapes import CLASSES

NO_PREDICTION = 65_535
FORMAT = 2
FORMATS = (1, 2)  # the formats that this release reads
_NO_PREDICTION_1 = 255
_UINT8: np.dtype[np.uint8] = np.dtype(np.uint8)
_UINT16: np.dtype[np.uint16] = np.dtype("<u2")
_FLOAT32: np.dtype[np.float32] = np.dtype("<f4")

FinalState = Literal["done", "unsure", "failed", "expired", "cancelled"]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class BlockFormat(msgspec.Struct, frozen=True):
    """The format of a block, which is read first."""

    v: int = 1


class BlockHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON header. Format 1 is not written, and has none of the fields after `v`.

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


class Block(msgspec.Struct, frozen=True):
    """Results in the order of the entry's images.

    `faults` has `(state, reason)` for each position without a prediction. `queue_ms` is the time from acceptance to the
    start of the batch, `model_ms` the engine's time for the whole batch of `batch_images`.

    `best` are the labels of the probabilities, the best first, of a version with `best_of` labels. It is None if the
    probabilities of all labels are kept. `top` is the number of best labels that the
    request wants, 0 for the usual number. `rule` is the threshold of the version, and `accept` the one that was
    applied; 0 stands for none. An image whose score is below `accept` is unsure.
    """

    predictions: npt.NDArray[np.uint16]  # uint16[n]
    probabilities: Probabilities  # float32[n,K] or float32[n,top]
    model: str
    worker: str
    attempt: int
    batch_images: int
    queue_ms: float
    model_ms: float
    client: str = ""
    faults: Mapping[int, tuple[FinalState, str]] = msgspec.field(default_factory=dict)
    best: npt.NDArray[np.uint16] | None = None  # uint16[n,top]
    best_of: int = 0
    top: int = 0
    scores: npt.NDArray[np.float32] | None = None  # float32[n]
    stages: npt.NDArray[np.uint8] | None = None  # uint8[n]
    rule: float = 0.0
    accept: float = 0.0

    @property
    def count(self) -> int:
        return len(self.predictions)

    def state(self, position: int) -> FinalState:
        """Return the final state of an image."""
        if position in self.faults:
            return self.faults[position][0]
        is_unsure = self.accept and self.scores is not None and self.scores[position] < np.float32(self.accept)
        return "unsure" if is_unsure else "done"

    def confident(self, position: int) -> bool | None:
        """Return whether the score of an answer reaches the threshold, or None without one."""
        threshold = self.accept or self.rule
        if not threshold or self.scores is None:
            return None
        return bool(self.scores[position] >= np.float32(threshold))

    @property
    def label_count(self) -> int:
        """Return the number of the version's labels, or 0 if no image has a prediction."""
        return self.probabilities.shape[1] if self.best is None else self.best_of

    def stage(self, position: int) -> int | None:
        """Return which stage of a cascade decided, counted from 1, or None for a version of one network."""
        return None if self.stages is None else int(self.stages[position]) + 1

    @property
    def fits_format_1(self) -> bool:
        """Return whether format 1 says everything about the results. The previous release reads only that."""
        if self.best is not None or self.scores is not None or self.stages is not None:
            return False
        return not (self.top or self.rule or self.accept) and self.probabilities.shape[1] in (0, CLASSES)

    @property
    def dense(self) -> bool:
        """Return whether the usual answer has the probabilities of all labels."""
        return self.label_count <= MAX_DENSE_LABELS and not self.top

    def all_probabilities(self, position: int) -> npt.NDArray[np.float32]:
        """Return float32[K] of an image, with zeros for labels that are not kept."""
        if self.best is None:
            row: npt.NDArray[np.float32] = self.probabilities[position]
            return row
        row = np.zeros(self.best_of, np.float32)
        row[self.best[position]] = self.probabilities[position]
        return row

    def best_labels(self, position: int) -> list[tuple[int, float]]:
        """Return the best labels of an image and their probabilities, the best first: `top`, or the usual number."""
        row = self.probabilities[position]
        if self.best is not None:
            return list(zip(self.best[position].tolist(), row.tolist(), strict=True))
        order = np.argsort(-row, kind="stable")[: self.top or DEFAULT_TOP]
        return list(zip(order.tolist(), row[order].tolist(), strict=True))


def failed_block(count: int, model: str, reason: str) -> Block:
    """Return the block of an entry that reached no worker: all of its images failed with `reason`."""
    faults: dict[int, tuple[FinalState, str]] = dict.fromkeys(range(count), ("failed", reason))
    predictions = np.full(count, NO_PREDICTION, np.uint16)
    return Block(predictions, np.zeros((count, 0), np.float32), model, "", 0, 0, 0.0, 0.0, faults=faults)


def kept_labels(labels: int, top: int) -> int:
    """Return how many labels of each image a block has, if the request wants the `top` best, 0 for the usual number."""
    return labels if labels <= MAX_DENSE_LABELS else min(top or DEFAULT_TOP, labels)


def keep_best(probabilities: Probabilities, top: int) -> tuple[npt.NDArray[np.uint16], Probabilities]:
    """Return the `top` best labels of each row and their probabilities, the best first, and the first of equal ones."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return best.astype(np.uint16), np.take_along_axis(probabilities, best, axis=1)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BlockHeader)
_format_decoder = msgspec.json.Decoder(BlockFormat)


def encode_block(block: Block, entry_format: int = FORMAT) -> bytes:
    """Return the bytes of a block that answers an entry of `entry_format`.

    For an entry of format 1, scores and stages are left out, because the API that wrote it does not know them.
    """
    fields = (
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
    if block.fits_format_1 or (entry_format == 1 and block.label_count == CLASSES):
        return _packed(BlockHeader(*fields), *_arrays_of_format_1(block))
    header = BlockHeader(
        *fields,
        FORMAT,
        block.label_count,
        block.top if block.best is None else block.best.shape[1],
        block.rule or msgspec.UNSET,
        block.accept or msgspec.UNSET,
        block.scores is not None,
        block.stages is not None,
    )
    return _packed(
        header,
        _bytes_of(block.predictions, _UINT16),
        _bytes_of(block.best, _UINT16),
        _bytes_of(block.probabilities, _FLOAT32),
        _bytes_of(block.scores, _FLOAT32),
        _bytes_of(block.stages, _UINT8),
    )


def _bytes_of(array: npt.NDArray[Any] | None, dtype: np.dtype[Any]) -> bytes:
    return b"" if array is None else array.astype(dtype, copy=False).tobytes()


def _packed(header: BlockHeader, *arrays: bytes) -> bytes:
    encoded = _encoder.encode(header)
    return b"".join((len(encoded).to_bytes(4, "little"), encoded, *arrays))


def _arrays_of_format_1(block: Block) -> tuple[bytes, bytes]:
    probabilities = block.probabilities if block.label_count else np.zeros((block.count, CLASSES), np.float32)
    # The low byte of NO_PREDICTION is that of format 1.
    return block.predictions.astype(_UINT8).tobytes(), _bytes_of(probabilities, _FLOAT32)


def decode_block(data: bytes | memoryview) -> Block:
    """Read a block; the arrays are views of `data`.

    Raises EntryFormatError if the block has a format that this release does not read, and EntryError if it is damaged.
    """
    start = 4 + int.from_bytes(data[:4], "little")
    try:
        header = _decoder.decode(data[4:start])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_other_formats(data[4:start])
        raise EntryError(f"not a block: {error}") from None
    if header.v not in FORMATS:
        raise EntryFormatError("result", header.v, FORMATS)
    count, labels = header.n, header.labels if header.v > 1 else CLASSES
    only_best = labels > MAX_DENSE_LABELS
    kept = header.top if only_best else labels
    row_bytes = (2 if header.v > 1 else 1) + (6 if only_best else 4) * kept + 4 * header.scores + header.stages
    if len(data) != start + count * row_bytes:
        raise EntryError(f"not a block: {count} results in {len(data)} bytes")
    if header.faults and any(position >= count for position, _, _ in header.faults):
        raise EntryError(f"not a block: a fault past its {count} results")
    if header.v > 1:
        predictions = np.frombuffer(data, _UINT16, count, start)
        at = start + 2 * count
    else:
        predictions = np.frombuffer(data, _UINT8, count, start).astype(np.uint16)
        if header.faults:  # only their images have no prediction
            predictions[predictions == _NO_PREDICTION_1] = NO_PREDICTION
        at = start + count
    best = scores = stages = None
    if only_best:
        best = np.frombuffer(data, _UINT16, count * kept, at).reshape(count, kept)
        at += 2 * count * kept
    probabilities = np.frombuffer(data, _FLOAT32, count * kept, at).reshape(count, kept)
    at += 4 * count * kept
    if header.scores:
        scores = np.frombuffer(data, _FLOAT32, count, at)
        at += 4 * count
    if header.stages:
        stages = np.frombuffer(data, _UINT8, count, at)
    return Block(
        predictions=predictions,
        probabilities=probabilities,
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
        scores=scores,
        stages=stages,
        rule=header.rule or 0.0,
        accept=header.accept or 0.0,
    )


def _refuse_other_formats(header: bytes | memoryview) -> None:
    """Raise EntryFormatError if a header that cannot be read says another format."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _format_decoder.decode(header).v
        if found not in FORMATS:
            raise EntryFormatError("result", found, FORMATS)
