"""Answers to a small exam, made up for the checks."""

from collections.abc import Mapping

import numpy as np

from shared.data.dataset import Labels, Split
from shared.images import Probabilities
from training.qa import exam, golden
from training.qa.exam import Answers, Side

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 100)  # 100 images of each class
TEST = Split("sample", np.zeros((len(LABELS), 28, 28), np.uint8), LABELS)
GOLDEN_LABELS = golden.draw()[1]
CONFIDENCE = 0.96


def answer(labels: Labels, wrong: Mapping[int, int], confidence: float = CONFIDENCE) -> Probabilities:
    """float32[N,10]: the label of each image with `confidence`, but for rows in `wrong` another class."""
    read = labels.copy()
    for row, digit in wrong.items():
        read[row] = digit
    probabilities = np.full((len(labels), 10), (1 - confidence) / 9, np.float32)
    probabilities[np.arange(len(labels)), read] = confidence
    return probabilities


def side(
    wrong: Mapping[int, int] = {},
    golden_wrong: Mapping[int, int] = {},
    confidence: float = CONFIDENCE,
    sets: Mapping[str, float] = {},
    ref: str = "cnn@1",
) -> Side:
    """A version that misreads these rows, and reads these shares of the robustness sets."""
    test = answer(LABELS, wrong, confidence)
    right = {name: np.arange(len(LABELS)) < share * len(LABELS) for name, share in sets.items()}
    answers = Answers(test, answer(GOLDEN_LABELS, golden_wrong, confidence), right)
    return Side(ref, answers, exam.summarize(test, LABELS))


def misread(digit: int, count: int, start: int = 0) -> dict[int, int]:
    """`count` of the class's 100 images, from its `start`-th, read as the next digit."""
    return {digit * 100 + start + row: (digit + 1) % 10 for row in range(count)}
