"""Temperature scaling of answers."""

import numpy as np
import pytest

from shared.contract.model_card import MAX_TEMPERATURE, MIN_TEMPERATURE
from shared.images import Probabilities
from shared.models.temperature import scale


def softmax(logits: np.ndarray) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


@pytest.mark.parametrize("temperature", [MIN_TEMPERATURE, 0.6, 1.0, 2.5, MAX_TEMPERATURE])
def test_scaling_probabilities_equals_dividing_the_logits(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 10))
    scaled = scale(softmax(logits), temperature)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, softmax(logits / temperature), atol=1e-5)


def test_certain_and_uniform_answers_stay_as_they_are() -> None:
    answers = np.stack([np.eye(10, dtype=np.float32)[3], np.full(10, 0.1, np.float32)])
    np.testing.assert_allclose(scale(answers, MIN_TEMPERATURE), answers, atol=1e-6)
