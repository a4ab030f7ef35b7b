"""A rule loses as many held-out images as it may, and no more."""

import numpy as np
import pytest

from shared.answers import Answers
from training.fitting.acceptance import describe, threshold_of

SCORES = np.linspace(0.01, 1, 100).astype(np.float32)


@pytest.mark.parametrize(("lose", "below"), [(0.0, 0), (0.005, 0), (0.05, 5), (0.5, 50)])
def test_at_most_this_share_is_below_the_threshold(lose: float, below: int) -> None:
    for seed in range(3):
        scores = np.random.default_rng(seed).permutation(SCORES)
        assert (scores < np.float32(threshold_of(scores, lose))).sum() == below


def test_equal_scores_are_kept_together() -> None:
    assert threshold_of(np.ones(50, np.float32), 0.5) == 1.0


def test_a_threshold_is_never_zero_which_would_turn_the_rule_off() -> None:
    assert threshold_of(np.zeros(50, np.float32), 0.0) == 1e-5
    assert threshold_of(SCORES, 1.0) <= 1.0


def test_lost_images_and_wrong_answers_among_the_accepted_are_counted() -> None:
    answers = Answers(np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0.9, 0.2, 0.8, 0.1], np.float32))
    assert describe(answers, np.array([0, 1, 1, 1], np.uint8), 0.5) == {"images": 4, "lost": 2, "wrong": 1}
    with pytest.raises(ValueError, match="without scores"):
        describe(Answers(answers.probabilities), np.zeros(4, np.uint8), 0.5)
