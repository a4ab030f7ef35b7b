"""The trade-off of an acceptance rule: how many images it loses, and how many of the accepted answers are wrong."""

from collections.abc import Sequence

import numpy as np

from shared.answers import Answers
from shared.data.dataset import Split
from training.data.label_errors import CORRECTED, TEST_IMAGES

THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99)


def rows(
    answers: Answers, split: Split, thresholds: Sequence[float], positions: Sequence[int] | None = None
) -> list[tuple[float, float, int, int]]:
    """Return for each `?accept=` the share of images that are lost, the wrong answers among the accepted, and how many
    of these have a published label that most people do not see in the image. `positions` are those of the images in
    MNIST's test set if `split` is a part of it.

    Raises ValueError for answers without scores.
    """
    if answers.scores is None:
        raise ValueError("answers without scores")
    wrong = answers.probabilities.argmax(1) != split.labels
    if positions is None and len(wrong) == TEST_IMAGES:
        positions = range(TEST_IMAGES)
    mislabelled = np.isin(positions, list(CORRECTED)) if positions is not None else np.zeros(len(wrong), np.bool_)
    table = []
    for threshold in thresholds:
        taken = answers.scores >= np.float32(threshold)
        table.append(
            (threshold, float((~taken).mean()), int((taken & wrong).sum()), int((taken & wrong & mislabelled).sum()))
        )
    return table


def print_curve(answers: Answers, split: Split, rule: float, positions: Sequence[int] | None = None) -> None:
    """Print the trade-off on the test set or a part of it, with the version's own threshold."""
    print(f"{'accept':>8} {'lost':>8} {'accepted and wrong':>20} {'of these, label errors':>24}")
    for threshold, lost, wrong, mislabelled in rows(answers, split, sorted({*THRESHOLDS, rule}), positions):
        print(f"{threshold:8g} {lost:8.2%} {wrong:20} {mislabelled:24}{' the rule' if threshold == rule else ''}")
