"""Checks of the acceptance rule of a version."""

import numpy as np

from shared.answers import Answers
from shared.data.dataset import Labels
from training.fitting.acceptance import describe
from training.qa import bounds
from training.qa.evaluation import Evaluation, Inputs
from training.qa.report.report import Check


def check_all(inputs: Inputs, candidate: Evaluation, threshold: float) -> list[Check]:
    """Run all checks in this file. The answers have scores."""
    answers = candidate.answers
    checks = [check_lost(answers.test, inputs.test.labels, threshold), check_golden(answers.golden, threshold)]
    return checks if answers.not_digits is None else [*checks, check_not_digits(answers.not_digits, threshold)]


def check_lost(answers: Answers, labels: Labels, threshold: float) -> Check:
    """Check how many test images the rule loses."""
    described = describe(answers, labels, threshold)
    share = described["lost"] / described["images"]
    return Check(
        "lost",
        share <= bounds.MAX_LOST,
        f"{described['lost']} of {described['images']} test images have a score below {threshold:g}; "
        f"{described['wrong']} accepted answers are wrong",
        share,
        bounds.MAX_LOST,
        "at_most",
    )


def check_golden(answers: Answers, threshold: float) -> Check:
    """Check that the rule accepts all golden images."""
    scores = _scores(answers)
    lowest = float(scores.min(initial=1.0))
    refused = int((scores < np.float32(threshold)).sum())
    sentence = f"{refused} of {len(scores)} golden images have a score below {threshold:g}"
    return Check("golden accepted", not refused, sentence, lowest, threshold, unit="probability")


def check_not_digits(answers: Answers, threshold: float) -> Check:
    """Check how many images without a digit the rule accepts."""
    accepted = int((_scores(answers) >= np.float32(threshold)).sum())
    count = len(answers.probabilities)
    sentence = f"{accepted} of {count} letters, symbols, shapes, noisy and blank sheets are answered as a digit"
    share = accepted / count
    return Check("not digits", share <= bounds.MAX_NOT_DIGITS, sentence, share, bounds.MAX_NOT_DIGITS, "at_most")


def _scores(answers: Answers) -> np.ndarray:
    if answers.scores is None:
        raise ValueError("answers without scores")
    return answers.scores
