"""The acceptance rule of a version: the choice of its threshold, and how it does on a dataset."""

import math

import numpy as np

from shared.answers import Answers, Scores
from shared.data.dataset import Labels

STEPS = 100_000  # thresholds have five decimals


def threshold_of(scores: Scores, lose: float) -> float:
    """Return the largest threshold, rounded down, that leaves at most the share `lose` of `scores` below it."""
    lowest_kept = float(np.sort(scores)[min(int(lose * len(scores)), len(scores) - 1)])
    return max(1, math.floor(lowest_kept * STEPS)) / STEPS


def describe(answers: Answers, labels: Labels, threshold: float) -> dict[str, int]:
    """Return how many images with labels uint8[N] the rule loses, and how many accepted answers are wrong.

    Raises ValueError for answers without scores.
    """
    if answers.scores is None:
        raise ValueError("answers without scores")
    accepted = answers.scores >= np.float32(threshold)
    wrong = answers.probabilities.argmax(axis=1) != labels
    return {"images": len(labels), "lost": int((~accepted).sum()), "wrong": int((accepted & wrong).sum())}
