"""Checks of what was read right, how surely, and in what condition."""

import numpy as np

from shared.data.dataset import Labels
from training.qa import bounds
from training.qa.bounds import Bounds
from training.qa.exam import Answers, Exam, Side
from training.qa.report.report import Check, Reading
from training.qa.robustness import DESCRIPTIONS


def check_all(exam: Exam, side: Side, champion: Side | None, limits: Bounds) -> list[Check]:
    """All of this file's."""
    reading, its = side.reading, champion.reading if champion else None
    return [
        check_floor(reading, its, limits),
        check_recall(reading, its, limits),
        check_golden(exam.golden_labels, side, champion),
        check_calibration(reading, its),
        *check_sets(side, champion),
    ]


def check_floor(reading: Reading, champion: Reading | None, limits: Bounds) -> Check:
    low, high = reading.interval_95
    accuracy = reading.correct / reading.images
    return Check(
        "accuracy",
        accuracy >= limits.floor,
        f"{reading.correct} of {reading.images} test images read right, {limits.floor:.2%} expected; "
        f"95 % interval {low:.2%} to {high:.2%}",
        accuracy,
        limits.floor,
        champion=champion.correct / champion.images if champion else None,
    )


def check_recall(reading: Reading, champion: Reading | None, limits: Bounds) -> Check:
    """The lowest of the classes counts; all that are too low are named."""
    lowest = min(reading.recall)
    below = [digit for digit, recall in enumerate(reading.recall) if recall < limits.recall]
    told = ", ".join(f"{reading.recall[digit]:.2%} of the {digit}s" for digit in below)
    return Check(
        "recall",
        not below,
        f"only {told} read right" if below else f"the class read worst is that of the {reading.recall.index(lowest)}s",
        lowest,
        limits.recall,
        champion=min(champion.recall) if champion else None,
    )


def check_golden(labels: Labels, side: Side, champion: Side | None) -> Check:
    """Every golden image right, and with some confidence."""
    answers = side.answers.golden.argmax(axis=1)
    wrong = [f"a {label} as {answer}" for label, answer in zip(labels, answers, strict=True) if label != answer]
    confidence = _min_of_label(side.answers, labels)
    sure = confidence >= bounds.GOLDEN_CONFIDENCE
    told = f"all {len(labels)} read right" + ("" if sure else ", but not all of them surely")
    return Check(
        "golden images",
        not wrong and sure,
        f"reads {', '.join(wrong)}" if wrong else told,
        confidence,
        bounds.GOLDEN_CONFIDENCE,
        unit="probability",
        champion=_min_of_label(champion.answers, labels) if champion else None,
    )


def check_calibration(reading: Reading, champion: Reading | None) -> Check:
    accuracy = reading.correct / reading.images
    confidence = sum(each.images * each.confidence for each in reading.reliability) / reading.images
    return Check(
        "calibration",
        reading.calibration_error <= bounds.CALIBRATION_ERROR,
        f"says {confidence:.2%} on the average and is right {accuracy:.2%} of the time",
        reading.calibration_error,
        bounds.CALIBRATION_ERROR,
        "at_most",
        "difference",
        champion.calibration_error if champion else None,
    )


def check_sets(side: Side, champion: Side | None) -> list[Check]:
    """A check per robustness set: against the champion where there is one, else against a floor."""
    checks = []
    for name, correct in side.answers.sets.items():
        accuracy = float(correct.mean())
        its = float(champion.answers.sets[name].mean()) if champion else None
        bound = bound_of_set(name, its)
        expected = "" if bound is None else f", {bound:.2%} expected"
        told = f"{accuracy:.2%} of {len(correct)} test images {DESCRIPTIONS[name]} read right{expected}"
        checks.append(Check(name, bound is None or accuracy >= bound, told, accuracy, bound, champion=its))
    return checks


def bound_of_set(name: str, champion: float | None) -> float | None:
    """None for images that nobody promised to read: inverted ones, unless the champion reads them."""
    if name == "inverted" and (champion is None or champion < bounds.HANDLED):
        return None
    return bounds.ROBUSTNESS_FLOOR if champion is None else round(champion - bounds.ROBUSTNESS_LOSS, 6)


def _min_of_label(answers: Answers, labels: Labels) -> float:
    """The lowest probability that any golden image's own label was given."""
    return float(answers.golden[np.arange(len(labels)), labels].min())
