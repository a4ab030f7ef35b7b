"""Checks that compare a version with the champion, image by image."""

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels, Split
from training.qa import bounds, statistics
from training.qa.checks.accuracy import plural
from training.qa.evaluation import Evaluation
from training.qa.report.report import Check

MAX_INDICES = 100  # per report

Mask = npt.NDArray[np.bool_]  # bool[N], one value per test image


def check_all(test: Split, candidate: Evaluation, champion: Evaluation) -> list[Check]:
    """Run all checks in this file."""
    gained, lost = gained_and_lost(test.labels, candidate, champion)
    return [check_champion(gained, lost, champion.ref), check_champion_by_class(gained, lost, test, champion.ref)]


def differences(labels: Labels, candidate: Evaluation, champion: Evaluation) -> tuple[list[int], list[int]]:
    """Return the first indices of `gained_and_lost`."""
    gained, lost = gained_and_lost(labels, candidate, champion)
    return np.flatnonzero(gained)[:MAX_INDICES].tolist(), np.flatnonzero(lost)[:MAX_INDICES].tolist()


def gained_and_lost(labels: Labels, candidate: Evaluation, champion: Evaluation) -> tuple[Mask, Mask]:
    """Return the test images that only the candidate, and that only the champion classifies correctly."""
    candidate_correct: Mask = candidate.answers.test.probabilities.argmax(axis=1) == labels
    champion_correct: Mask = champion.answers.test.probabilities.argmax(axis=1) == labels
    return candidate_correct & ~champion_correct, champion_correct & ~candidate_correct


def check_champion(gained: Mask, lost: Mask, champion: str) -> Check:
    """Fail a version that is significantly worse than the champion. It need not be significantly better."""
    gains, losses = int(gained.sum()), int(lost.sum())
    p = statistics.mcnemar_p(gains, losses)
    return Check(
        "champion",
        p >= bounds.SIGNIFICANCE or losses <= gains,
        f"gains {gains} test images that {champion} misclassifies, and loses {losses} that {champion} classifies "
        "correctly; McNemar's exact test",
        p,
        bounds.SIGNIFICANCE,
        unit="p",
    )


def check_champion_by_class(gained: Mask, lost: Mask, test: Split, champion: str) -> Check:
    """Run the test for each class, at a lower significance level: without this, one in five would fail for 10."""
    bound = bounds.SIGNIFICANCE / len(test.label_names)
    worse: list[str] = []
    lowest_p = 1.0
    for label, name in enumerate(test.label_names):
        gains, losses = int(gained[test.labels == label].sum()), int(lost[test.labels == label].sum())
        if losses <= gains:
            continue
        p = statistics.mcnemar_p(gains, losses)
        lowest_p = min(lowest_p, p)
        if p < bound:
            worse.append(
                f"loses {losses} of the {plural(name)} that {champion} classifies correctly, and gains {gains}"
            )
    return Check(
        "champion by class",
        not worse,
        "; ".join(worse) or f"no class is significantly worse than in {champion}",
        lowest_p,
        bound,
        unit="p",
    )
