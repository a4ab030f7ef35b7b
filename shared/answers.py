"""The answers of an engine to a batch of images."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from shared.images import Probabilities

Scores = npt.NDArray[np.float32]  # float32[N], from 0 to 1
Stages = npt.NDArray[np.uint8]  # uint8[N], from 0

_Number = TypeVar("_Number", bound=np.generic)

# Rows of answers: a slice, positions, or a mask bool[N].
Rows = slice | Sequence[int] | npt.NDArray[np.intp] | npt.NDArray[np.bool_]


class Answers(NamedTuple):
    """Answers in the order of the images.

    `probabilities` float32[N,K] are over the labels of the version, and each row sums to 1. `scores` are acceptance
    scores, None for a version without an acceptance rule. `stages` says which stage of a cascade decided, None for a
    version of one network.
    """

    probabilities: Probabilities
    scores: Scores | None = None
    stages: Stages | None = None

    def rows(self, rows: Rows) -> "Answers":
        """Return the answers of some of the images."""
        return Answers(
            self.probabilities[rows],
            None if self.scores is None else self.scores[rows],
            None if self.stages is None else self.stages[rows],
        )


def no_answers(images: int, labels: int = 0) -> Answers:
    """Return rows of zeros for images that have no answer, without columns if the number of labels is not known."""
    return Answers(np.zeros((images, labels), np.float32))


def join(parts: Sequence[Answers]) -> Answers:
    """Return the answers of `parts` in order; there is at least one.

    Rows of parts without columns, scores or stages get zeros, if another part has them.
    """
    if len(parts) == 1:
        return parts[0]
    scores = stages = None
    if any(part.scores is not None for part in parts):
        scores = np.concatenate([_or_zeros(part.scores, part, np.float32) for part in parts])
    if any(part.stages is not None for part in parts):
        stages = np.concatenate([_or_zeros(part.stages, part, np.uint8) for part in parts])
    labels = max(part.probabilities.shape[1] for part in parts)
    rows = [_or_zero_columns(part.probabilities, labels) for part in parts]
    return Answers(np.concatenate(rows), scores, stages)


def _or_zero_columns(probabilities: Probabilities, labels: int) -> Probabilities:
    return probabilities if probabilities.shape[1] else np.zeros((len(probabilities), labels), np.float32)


def _or_zeros(values: npt.NDArray[_Number] | None, part: Answers, dtype: type[_Number]) -> npt.NDArray[_Number]:
    return np.zeros(len(part.probabilities), dtype) if values is None else values
