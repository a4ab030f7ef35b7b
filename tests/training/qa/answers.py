"""Made-up answers to a small test set, for tests of the checks."""

from collections.abc import Mapping

import numpy as np

from shared.answers import Answers
from shared.data.dataset import Labels, Split
from shared.images import Probabilities
from training.qa import evaluation, golden
from training.qa.evaluation import Evaluation, InputAnswers

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 100)  # 100 images of each class
TEST = Split("sample", np.zeros((len(LABELS), 28, 28), np.uint8), LABELS)
GOLDEN_LABELS = golden.draw()[1]
CONFIDENCE = 0.96


def answer(labels: Labels, wrong: Mapping[int, int], confidence: float = CONFIDENCE) -> Probabilities:
    """Return answers float32[N,10] with the given confidence: the labels, except for the rows in `wrong`."""
    predictions = labels.copy()
    for row, digit in wrong.items():
        predictions[row] = digit
    probabilities = np.full((len(labels), 10), (1 - confidence) / 9, np.float32)
    probabilities[np.arange(len(labels)), predictions] = confidence
    return probabilities


def evaluated(
    wrong: Mapping[int, int] = {},
    golden_wrong: Mapping[int, int] = {},
    confidence: float = CONFIDENCE,
    sets: Mapping[str, float] = {},
    ref: str = "cnn@1",
) -> Evaluation:
    """Return a version with these wrong answers and these accuracies on the robustness sets."""
    test = answer(LABELS, wrong, confidence)
    correct = {name: np.arange(len(LABELS)) < share * len(LABELS) for name, share in sets.items()}
    answers = InputAnswers(Answers(test), Answers(answer(GOLDEN_LABELS, golden_wrong, confidence)), correct)
    return Evaluation(ref, answers, evaluation.summarize(test, LABELS))


def misread(digit: int, count: int, start: int = 0) -> dict[int, int]:
    """Return wrong answers: `count` of the 100 images of `digit`, from `start` on, are taken for the next digit."""
    return {digit * 100 + start + row: (digit + 1) % 10 for row in range(count)}
