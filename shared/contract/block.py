"""The block: the results of one entry, packed, as the worker writes them and the API reads them.

Layout: uint32 little-endian header length, JSON header, uint8[n] predictions (NO_PREDICTION where there is none),
float32[n,10] probabilities, little-endian (zeros where there is no prediction).
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import orjson

from shared.errors import EntryError
from shared.images import CLASSES, Probabilities

NO_PREDICTION = 255

FinalState = Literal["done", "failed", "expired", "cancelled"]

_TYPES: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "worker": (str,),
    "attempt": (int,),
    "batch_images": (int,),
    "queue_ms": (float, int),
    "model_ms": (float, int),
    "client": (str,),
}
_STATES = frozenset(get_args(FinalState))


@dataclass(frozen=True, slots=True)
class Block:
    """Results in the order of the entry's images.

    `faults` has `(state, reason)` for each position without a prediction. `queue_ms` runs from acceptance to the
    start of the batch, `model_ms` is the engine's time for the whole batch of `batch_images`.
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


def encode_block(block: Block) -> bytes:
    header = orjson.dumps(
        {
            "n": block.count,
            "model": block.model,
            "worker": block.worker,
            "attempt": block.attempt,
            "batch_images": block.batch_images,
            "queue_ms": round(block.queue_ms, 3),
            "model_ms": round(block.model_ms, 3),
            "client": block.client,
            "faults": [[position, state, reason] for position, (state, reason) in block.faults.items()],
        }
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
    """Read a block; the arrays are views of `data`. Raises EntryError when it is damaged."""
    try:
        start = 4 + int.from_bytes(data[:4], "little")
        header = orjson.loads(data[4:start])
        count = header["n"]
        if type(count) is not int or len(data) != start + count * (1 + 4 * CLASSES):
            raise ValueError(f"{reprlib.repr(count)} results in {len(data)} bytes")
        for name, types in _TYPES.items():
            if type(header[name]) not in types:
                raise TypeError(f"{name} is {reprlib.repr(header[name])}")
        predictions = np.frombuffer(data, np.uint8, count, start)
        probabilities = np.frombuffer(data, "<f4", count * CLASSES, start + count).reshape(count, CLASSES)
        return Block(
            predictions=predictions,
            probabilities=probabilities,
            model=header["model"],
            worker=header["worker"],
            attempt=header["attempt"],
            batch_images=header["batch_images"],
            queue_ms=header["queue_ms"],
            model_ms=header["model_ms"],
            client=header["client"],
            faults=_faults(header["faults"], count),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EntryError(f"not a block: {error!r}") from None


def _faults(listed: list[Any], count: int) -> dict[int, tuple[FinalState, str]]:
    faults = {position: (state, reason) for position, state, reason in listed}
    for position, (state, reason) in faults.items():
        if type(position) is not int or not 0 <= position < count or state not in _STATES or type(reason) is not str:
            raise ValueError(f"a fault {reprlib.repr([position, state, reason])} of {count} results")
    return faults
