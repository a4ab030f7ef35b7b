"""The block: the packed results of one entry, as the worker writes them and the API reads them (`codec.py`)."""

import functools
from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from shared.contract.model_spec import DEFAULT_TOP, MAX_DENSE_LABELS
from shared.images import Probabilities
from shared.shapes import CLASSES

NO_PREDICTION = 65_535

FinalState = Literal["done", "unsure", "failed", "expired", "cancelled"]


class Block(msgspec.Struct, frozen=True, dict=True):
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

    # Lists are made once for all images, because reading a number out of an array takes longer than out of a list.

    @functools.cached_property
    def predicted(self) -> list[int]:
        """Return the predictions."""
        predicted: list[int] = self.predictions.tolist()
        return predicted

    @functools.cached_property
    def confidences(self) -> list[bool] | None:
        """Return for each answer whether its score reaches the threshold, or None without one."""
        threshold = self.accept or self.rule
        if not threshold or self.scores is None:
            return None
        confidences: list[bool] = (self.scores >= np.float32(threshold)).tolist()
        return confidences

    def state(self, position: int) -> FinalState:
        """Return the final state of an image."""
        if position in self.faults:
            return self.faults[position][0]
        is_unsure = self.accept and self.confidences is not None and not self.confidences[position]
        return "unsure" if is_unsure else "done"

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
