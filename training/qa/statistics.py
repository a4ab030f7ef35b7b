"""The statistics behind the checks; plain functions of counts and probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels
from shared.images import CLASSES, Probabilities

Z_95 = 1.959963984540054  # of the normal distribution, 95 % lies within so many standard deviations
BINS = 15  # as in Guo et al.


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `correct` of `total` were seen; (0, 1) where nothing was.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927). Unlike the
    usual one it stays within 0 and 1 and holds near 1 (Brown, Cai and DasGupta, Statistical Science 16, 2001).
    """
    if total == 0:
        return 0.0, 1.0
    share, weight = correct / total, Z_95**2 / total
    middle = (share + weight / 2) / (1 + weight)
    half = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """How probable so uneven a split is, or a more uneven one, if both read the same images equally well.

    `only_first` images are read right by the first alone, `only_second` by the second alone; what both read or both
    miss says nothing. Q. McNemar, Psychometrika 12 (1947), by the binomial distribution itself, two-sided; for its use
    on classifiers: T. G. Dietterich, Neural Computation 10 (1998).
    """
    total = only_first + only_second
    tail = sum(math.comb(total, count) for count in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**total))


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose likeliest class had a probability in (low, high]: its mean, and how many of them were read right."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(probabilities: Probabilities, labels: Labels) -> list[Bin]:
    """The bins of a reliability diagram that have images, in order. probabilities float32[N,10], labels uint8[N]."""
    confidences = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    numbers = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in np.unique(numbers):
        inside = numbers == number
        confidence = float(confidences[inside].mean(dtype=np.float64))
        bins.append(
            Bin(number / BINS, (number + 1) / BINS, int(inside.sum()), confidence, float(correct[inside].mean()))
        )
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: how far confidence is from accuracy, on the average image.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. 0.0 where there are no images.
    """
    images = sum(each.images for each in bins)
    return sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / max(images, 1)


def confusion(predictions: npt.NDArray[np.integer], labels: Labels) -> list[list[int]]:
    """Row: the label, column: what was read; counts."""
    matrix = np.zeros((CLASSES, CLASSES), int)
    np.add.at(matrix, (labels, predictions), 1)
    return [[int(count) for count in row] for row in matrix]


def recalls(matrix: Sequence[Sequence[int]]) -> list[float]:
    """Of each class's images, the share read right; 1.0 for a class without images."""
    return [row[digit] / sum(row) if sum(row) else 1.0 for digit, row in enumerate(matrix)]
