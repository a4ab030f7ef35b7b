"""The statistics behind the checks, as functions of counts and probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels
from shared.images import Probabilities
from shared.shapes import CLASSES

Z_95 = 1.959963984540054  # 95 % of a normal distribution lies within this many standard deviations
BINS = 15  # the number in Guo et al.


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a proportion of `correct` in `total`, or (0, 1) if `total` is 0.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927). Unlike the
    usual interval, it stays within 0 and 1 and is accurate near 1 (Brown, Cai and DasGupta, Statistical Science 16,
    2001).
    """
    if total == 0:
        return 0.0, 1.0
    share, weight = correct / total, Z_95**2 / total
    centre = (share + weight / 2) / (1 + weight)
    half_width = Z_95 / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, centre - half_width), min(1.0, centre + half_width)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test for two classifiers on the same images.

    Only the first classifier is correct on `only_first` images, only the second on `only_second`. The p-value is the
    probability of a split at least this uneven if both are equally good. Q. McNemar, Psychometrika 12 (1947), with the
    exact binomial distribution. For its use on classifiers: T. G. Dietterich, Neural Computation 10 (1998).
    """
    total = only_first + only_second
    tail = sum(math.comb(total, count) for count in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**total))


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of a reliability diagram: the images whose highest probability lies in (low, high].

    `confidence` is the mean of these probabilities, `accuracy` the share of the images with a correct answer.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(probabilities: Probabilities, labels: Labels) -> list[Bin]:
    """Return the non-empty bins of a reliability diagram of answers float32[N,K] to images with these labels."""
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
    """Return the expected calibration error: the mean difference between confidence and accuracy.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. Returns 0.0 if there are no images.
    """
    images = sum(each.images for each in bins)
    return sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / max(images, 1)


def confusion(predictions: npt.NDArray[np.integer], labels: Labels, classes: int = CLASSES) -> list[list[int]]:
    """Return the confusion matrix of counts: a row per label, a column per predicted label."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, predictions), 1)
    return [[int(count) for count in row] for row in matrix]


def recalls(predictions: npt.NDArray[np.integer], labels: Labels, classes: int = CLASSES) -> list[float]:
    """Return the recall of each class, 1.0 for a class without images."""
    correct = np.bincount(labels[predictions == labels], minlength=classes).tolist()
    counts = np.bincount(labels, minlength=classes).tolist()
    return [right / count if count else 1.0 for right, count in zip(correct, counts, strict=True)]
