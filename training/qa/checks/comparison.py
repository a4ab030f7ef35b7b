"""Checks against the champion, image by image: both have read the same ones."""

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels
from shared.images import CLASSES
from training.qa import bounds, statistics
from training.qa.exam import Side
from training.qa.report.report import Check

MAX_INDICES = 100  # of a report

Right = npt.NDArray[np.bool_]  # bool[N]: test image i was read right


def check_all(labels: Labels, side: Side, champion: Side) -> list[Check]:
    """All of this file's."""
    correct, its_correct = right(side, labels), right(champion, labels)
    return [
        check_champion(correct, its_correct, champion.ref),
        check_champion_by_class(correct, its_correct, labels, champion.ref),
    ]


def differences(labels: Labels, side: Side, champion: Side) -> tuple[list[int], list[int]]:
    """Indices of the first test images that `side` alone reads, and that the champion alone reads."""
    correct, its_correct = right(side, labels), right(champion, labels)
    gained, lost = np.flatnonzero(correct & ~its_correct), np.flatnonzero(its_correct & ~correct)
    return gained[:MAX_INDICES].tolist(), lost[:MAX_INDICES].tolist()


def right(side: Side, labels: Labels) -> Right:
    correct: Right = side.answers.test.argmax(axis=1) == labels
    return correct


def check_champion(correct: Right, its_correct: Right, champion: str) -> Check:
    """Only a version that is significantly worse fails, not one that is not significantly better."""
    gained, lost = int((correct & ~its_correct).sum()), int((its_correct & ~correct).sum())
    p = statistics.mcnemar_p(gained, lost)
    return Check(
        "champion",
        p >= bounds.SIGNIFICANCE or lost <= gained,
        f"reads {gained} test images that {champion} misses, and misses {lost} that it reads; McNemar's exact test",
        p,
        bounds.SIGNIFICANCE,
        unit="p",
    )


def check_champion_by_class(correct: Right, its_correct: Right, labels: Labels, champion: str) -> Check:
    """Ten tests at once, each held to a tenth of the significance (Bonferroni): or one sound version in five failed."""
    bound = bounds.SIGNIFICANCE / CLASSES
    worse: dict[int, str] = {}
    lowest_p = 1.0
    for digit in range(CLASSES):
        mine, its = correct[labels == digit], its_correct[labels == digit]
        gained, lost = int((mine & ~its).sum()), int((its & ~mine).sum())
        if lost <= gained:
            continue
        p = statistics.mcnemar_p(gained, lost)
        lowest_p = min(lowest_p, p)
        if p < bound:
            worse[digit] = f"misses {lost} of the {digit}s that {champion} reads and gains {gained}"
    return Check(
        "champion by class",
        not worse,
        "; ".join(worse.values()) or f"no class is read significantly worse than by {champion}",
        lowest_p,
        bound,
        unit="p",
    )
