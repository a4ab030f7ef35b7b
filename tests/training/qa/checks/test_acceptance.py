"""A rule may lose few test images, no golden image, and accepts few images without a digit."""

import numpy as np
import pytest

from shared.answers import Answers
from training.qa import bounds
from training.qa.checks import acceptance


def scored(*scores: float) -> Answers:
    return Answers(np.eye(10, dtype=np.float32)[[3] * len(scores)], np.array(scores, np.float32))


@pytest.mark.parametrize(("below", "passed"), [(10, True), (11, False)])
def test_a_rule_that_loses_many_test_images_fails(below: int, passed: bool) -> None:
    answers = scored(*[0.2] * below, *[0.9] * (1000 - below))
    labels = np.full(1000, 3, np.uint8)
    labels[-2:] = 4
    check = acceptance.check_lost(answers, labels, 0.5)
    assert (check.passed, check.measured, check.bound) == (passed, below / 1000, bounds.MAX_LOST)
    assert check.sentence.endswith("2 accepted answers are wrong")


def test_a_golden_image_that_is_not_accepted_fails() -> None:
    assert acceptance.check_golden(scored(0.9, 0.8), 0.8).passed
    check = acceptance.check_golden(scored(0.9, 0.7), 0.8)
    assert (check.passed, check.sentence) == (False, "1 of 2 golden images have a score below 0.8")


@pytest.mark.parametrize(("accepted", "passed"), [(5, True), (6, False)])
def test_a_rule_that_accepts_what_is_no_digit_fails(accepted: int, passed: bool) -> None:
    check = acceptance.check_not_digits(scored(*[0.9] * accepted, *[0.1] * (100 - accepted)), 0.5)
    assert (check.passed, check.measured) == (passed, accepted / 100)
