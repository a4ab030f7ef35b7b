"""Fitting the temperature of a version."""

import numpy as np
import pytest

from shared.models.temperature import scale
from training.fitting.temperature import fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_fitted_temperature_makes_drawn_labels_as_likely_as_they_are(temperature: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.full(10, 0.1), 20_000).astype(np.float32)
    labels = (true.cumsum(1) < rng.random((len(true), 1))).sum(1).clip(max=9).astype(np.uint8)
    given = scale(true, 1 / temperature)  # as a model that is too sure, or not sure enough, would answer
    assert fit_temperature(given, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize(("count", "sure"), [(100, 0.98), (1000, 0.998)])
def test_without_a_mistake_more_images_allow_more_confidence(count: int, sure: float) -> None:
    answers = np.full((count, 10), 0.01, np.float32)
    labels = (np.arange(count) % 10).astype(np.uint8)
    answers[np.arange(count), labels] = 0.91
    scaled = scale(answers, fit_temperature(answers, labels))
    assert sure < scaled.max() < 1 - 1 / (4 * count)
