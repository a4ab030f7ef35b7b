"""The confidence of the network for numbers: its temperature, and the threshold from which a number is accepted."""

import math
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from shared.errors import ModelError
from shared.numbers.guesses import best_guesses
from shared.numbers.reading import MIN_PROBABILITY, Outputs
from shared.shapes import CLASSES
from training.loop.numbers import network
from training.loop.numbers.strips import STEP_PX, WINDOW_PX, Strips, batches, same_width

TEMPERATURES = np.geomspace(0.6, 2.4, 25)  # tried
STEPS = 1_000  # thresholds have three decimals

Logits = npt.NDArray[np.float32]  # float32[T,12], one row for each window of a strip


class Readings(NamedTuple):
    """The confidence of each line's best guess, float64[N], and whether that guess is its number, bool[N]."""

    confidences: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


def temperature_of(model: keras.Model, strips: Strips) -> float:
    """Return the temperature under which the signs of the strips are most likely."""
    answers = [(np.asarray(model(pixels, training=False)), signs) for pixels, signs in batches(strips, None)]
    costs = []
    for each in TEMPERATURES.astype(np.float32):
        losses = [np.asarray(network.loss(signs, logits / each)) for logits, signs in answers]
        costs.append(float(np.concatenate(losses).mean()))
    return round(float(TEMPERATURES[int(np.argmin(costs))]), 4)


def readings_of(model: keras.Model, strips: Strips, temperature: float) -> Readings:
    """Read each line from all its views, as the service does. A line with another sign than digits is never right."""
    logits = _logits_of(model, strips)
    confidences, right = [], []
    for first in range(0, len(logits), strips.views):
        views = [_outputs(each, temperature) for each in logits[first : first + strips.views]]
        text, confidence = best_guesses(views, None)[0]
        signs = [int(sign) for sign in strips.signs[first] if sign >= 0]
        confidences.append(confidence if text else 0.0)
        right.append(max(signs) < CLASSES and text == "".join(map(str, signs)))
    return Readings(np.array(confidences), np.array(right))


def threshold_of(readings: Readings, max_wrong: float) -> float:
    """Return the lowest threshold, rounded up, from which at most the share `max_wrong` of all lines is read wrongly.

    Raises ModelError if there is none below 1.
    """
    wrong = np.sort(readings.confidences[~readings.right])[::-1]
    allowed = int(max_wrong * len(readings.right))
    if len(wrong) <= allowed:
        return 1 / STEPS
    threshold = (math.floor(float(wrong[allowed]) * STEPS) + 1) / STEPS
    if threshold >= 1:
        raise ModelError(f"more than {max_wrong:.1%} of the held-out numbers are read wrongly with any threshold")
    return threshold


def counts_of(readings: Readings, threshold: float) -> dict[str, int]:
    """Return how many numbers were read, and how many of them right, wrongly, or not surely."""
    accepted = readings.confidences >= threshold
    right, wrong = int((accepted & readings.right).sum()), int((accepted & ~readings.right).sum())
    return {"numbers": len(accepted), "right": right, "wrong": wrong, "unsure": int((~accepted).sum())}


def _logits_of(model: keras.Model, strips: Strips) -> list[Logits]:
    widths = [each.shape[1] for each in strips.pixels]
    found: dict[int, Logits] = {}
    for pixels, rows in same_width(strips.pixels, None):
        for row, logits in zip(rows, np.asarray(model(pixels, training=False)), strict=True):
            found[int(row)] = logits[: (widths[row] - WINDOW_PX) // STEP_PX + 1]
    return [found[row] for row in range(len(widths))]


def _outputs(logits: Logits, temperature: float) -> Outputs:
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(1, keepdims=True))
    outputs: Outputs = np.maximum(shares / shares.sum(1, keepdims=True), MIN_PROBABILITY)
    return outputs
