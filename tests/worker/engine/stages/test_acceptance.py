"""The score says how sure a version is that an image shows one of its labels."""

import numpy as np

from shared.contract.model_spec import Acceptance
from worker.engine.stages.acceptance import score

OUTPUTS = np.array([[0.7, 0.2, 0.1], [0.02, 0.08, 0.9], [0, 0, 1]], np.float32)


def test_without_a_rule_outputs_are_the_probabilities() -> None:
    probabilities, scores = score(OUTPUTS, None)
    assert probabilities is OUTPUTS
    assert scores is None


def test_without_a_none_label_the_score_is_the_largest_probability() -> None:
    probabilities, scores = score(OUTPUTS, Acceptance(threshold=0.9))
    assert probabilities is OUTPUTS
    assert scores is not None
    assert scores.tolist() == OUTPUTS.max(axis=1).tolist()


def test_with_a_none_label_the_score_is_that_of_the_likeliest_label_and_probabilities_are_relative() -> None:
    probabilities, scores = score(OUTPUTS, Acceptance(threshold=0.9, none_label=True))
    assert scores is not None
    np.testing.assert_allclose(scores, [0.7, 0.08, 0], atol=1e-7)
    np.testing.assert_allclose(probabilities, [[7 / 9, 2 / 9], [0.2, 0.8], [0.5, 0.5]], atol=1e-6)
    assert probabilities.dtype.name == scores.dtype.name == "float32"


def test_an_answer_that_is_not_finite_stays_so() -> None:
    broken = np.full((1, 3), np.nan, np.float32)
    assert np.isnan(score(broken, Acceptance(threshold=0.9, none_label=True))[0]).all()
