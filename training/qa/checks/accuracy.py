"""Checks of accuracy, confidence and robustness."""

import numpy as np

from shared.contract.model_spec import MNIST_LABELS
from shared.data.dataset import Labels
from training.qa import bounds
from training.qa.bounds import Bounds
from training.qa.evaluation import Evaluation, InputAnswers, Inputs
from training.qa.report.report import Check, Reading
from training.qa.robustness import DESCRIPTIONS

DEFAULT = Bounds()


def check_all(inputs: Inputs, candidate: Evaluation, champion: Evaluation | None, limits: Bounds) -> list[Check]:
    """Run all checks in this file."""
    reading, champion_reading = candidate.reading, champion.reading if champion else None
    return [
        check_floor(reading, champion_reading, limits),
        check_recall(reading, champion_reading, limits, inputs.test.label_names),
        check_golden(inputs.golden_labels, candidate, champion, limits, inputs.test.label_names),
        check_calibration(reading, champion_reading, limits),
        *check_sets(candidate, champion, limits),
    ]


def check_floor(reading: Reading, champion: Reading | None, limits: Bounds) -> Check:
    """Check the accuracy on the test set."""
    low, high = reading.interval_95
    return Check(
        "accuracy",
        reading.accuracy >= limits.floor,
        f"{reading.correct} of {reading.images} test images are classified correctly, {limits.floor:.2%} expected; "
        f"95 % interval {low:.2%} to {high:.2%}",
        reading.accuracy,
        limits.floor,
        champion=champion.accuracy if champion else None,
    )


def check_recall(
    reading: Reading, champion: Reading | None, limits: Bounds, names: tuple[str, ...] = MNIST_LABELS
) -> Check:
    """Check the lowest recall of the classes. The sentence names every class below the bound."""
    lowest = min(reading.recall)
    below = [
        f"{recall:.2%} of the {plural(name)}"
        for name, recall in zip(names, reading.recall, strict=True)
        if recall < limits.recall
    ]
    return Check(
        "recall",
        not below,
        f"only {', '.join(below)} are classified correctly"
        if below
        else f"the {plural(names[reading.recall.index(lowest)])} have the lowest recall",
        lowest,
        limits.recall,
        champion=min(champion.recall) if champion else None,
    )


def plural(name: str) -> str:
    """Return what to call the images of a label."""
    return f"{name}s" if name.isdigit() else f"images of {name!r}"


def check_golden(
    labels: Labels,
    candidate: Evaluation,
    champion: Evaluation | None,
    limits: Bounds = DEFAULT,
    names: tuple[str, ...] = MNIST_LABELS,
) -> Check:
    """Check that every golden image is classified correctly and with enough confidence."""
    if not len(labels):
        return Check("golden images", True, "there are none: `import --examples` puts some next to a version")
    answers = candidate.answers.golden.probabilities.argmax(axis=1)
    wrong = [
        f"a {names[label]} as {names[answer]}" for label, answer in zip(labels, answers, strict=True) if label != answer
    ]
    confidence = _min_label_probability(candidate.answers, labels)
    confident = confidence >= limits.golden_confidence
    correct = f"all {len(labels)} are classified correctly" + ("" if confident else ", but some with low confidence")
    return Check(
        "golden images",
        not wrong and confident,
        f"classifies {', '.join(wrong)}" if wrong else correct,
        confidence,
        limits.golden_confidence,
        unit="probability",
        champion=_min_label_probability(champion.answers, labels) if champion else None,
    )


def check_calibration(reading: Reading, champion: Reading | None, limits: Bounds = DEFAULT) -> Check:
    """Check how far the confidence of the answers is from their accuracy."""
    confidence = sum(each.images * each.confidence for each in reading.reliability) / reading.images
    return Check(
        "calibration",
        reading.calibration_error <= limits.calibration_error,
        f"the mean confidence is {confidence:.2%}, and {reading.accuracy:.2%} of the answers are correct",
        reading.calibration_error,
        limits.calibration_error,
        "at_most",
        "difference",
        champion.calibration_error if champion else None,
    )


def check_sets(candidate: Evaluation, champion: Evaluation | None, limits: Bounds = DEFAULT) -> list[Check]:
    """Check the accuracy on each robustness set."""
    checks = []
    for name, correct in candidate.answers.sets.items():
        accuracy = float(correct.mean())
        champion_accuracy = float(champion.answers.sets[name].mean()) if champion else None
        bound = bound_of_set(name, champion_accuracy, limits)
        expected = "" if bound is None else f", {bound:.2%} expected"
        sentence = (
            f"{accuracy:.2%} of {len(correct)} test images {DESCRIPTIONS[name]} are classified correctly{expected}"
        )
        passed = bound is None or accuracy >= bound
        checks.append(Check(name, passed, sentence, accuracy, bound, champion=champion_accuracy))
    return checks


def bound_of_set(name: str, champion_accuracy: float | None, limits: Bounds = DEFAULT) -> float | None:
    """Return the minimum accuracy, relative to the champion's. None for inverted images that it does not support."""
    if name == "inverted" and (champion_accuracy is None or champion_accuracy < bounds.MIN_INVERTED_ACCURACY):
        return None
    if champion_accuracy is None:
        return limits.robustness
    return round(champion_accuracy - bounds.MAX_ROBUSTNESS_LOSS, 6)


def _min_label_probability(answers: InputAnswers, labels: Labels) -> float:
    """Return the lowest probability of the correct label among the golden images."""
    return float(answers.golden.probabilities[np.arange(len(labels)), labels].min())
