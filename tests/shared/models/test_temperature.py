"""Temperature scaling of answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from shared.contract.model_card import MAX_TEMPERATURE, MIN_TEMPERATURE
from shared.errors import ModelError
from shared.images import Probabilities
from shared.models.temperature import read_temperature, scale


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


def test_a_card_without_a_temperature_means_one(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    assert read_temperature(tmp_path) == 1.0


@pytest.mark.parametrize("wrong", [0, -1, 11, "warm", None])
def test_a_wrong_temperature_is_refused(tmp_path: Path, wrong: object) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"temperature": wrong}))
    with pytest.raises(ModelError, match="temperature"):
        read_temperature(tmp_path)
