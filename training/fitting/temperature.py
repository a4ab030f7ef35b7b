"""Fitting the temperature of a version to images that it was not trained on."""

import numpy as np

from shared.contract.model_card import MAX_TEMPERATURE, MIN_TEMPERATURE
from shared.data.dataset import Labels
from shared.images import Probabilities
from shared.models.temperature import scale

STEPS = 40  # each narrows the interval by a third, so that the last one is far below the digits on the card


def fit_temperature(probabilities: Probabilities, labels: Labels) -> float:
    """Return the temperature under which answers float32[N,10] give the labels uint8[N] the highest likelihood.

    One image in N counts as if its label was drawn at random: a few hundred images without a mistake do not prove that
    there are none. The loss has one minimum over the temperature, which ternary search finds.
    """
    low, high = np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)
    for _ in range(STEPS):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        if _loss(probabilities, labels, first) < _loss(probabilities, labels, second):
            high = second
        else:
            low = first
    return round(float(np.exp(low)), 4)


def _loss(probabilities: Probabilities, labels: Labels, log_temperature: float) -> float:
    """Return the mean negative log-likelihood of the labels, and of a random one in N."""
    scaled = scale(probabilities, float(np.exp(log_temperature)))
    costs = -np.log(np.maximum(scaled, np.finfo(np.float32).tiny), dtype=np.float64)
    return float(costs[np.arange(len(labels)), labels].mean() + costs.mean() / len(labels))
