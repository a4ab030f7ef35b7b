"""The confidence of the network for numbers: its temperature, and the threshold from which a number is accepted."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from shared.errors import ModelError
from shared.numbers.guesses import best_guesses
from shared.numbers.reading import MIN_PROBABILITY, Outputs, combined
from shared.numbers.roster import Roster, text_probabilities
from shared.shapes import CLASSES
from training.loop.numbers.strips import STEP_PX, WINDOW_PX, Strips, same_width

TEMPERATURES = np.geomspace(0.6, 2.0, 13)  # tried
STEPS = 1_000  # thresholds have three decimals

Logits = npt.NDArray[np.float32]  # float32[T,12], one row for each window of a strip


class Lines(NamedTuple):
    """The answers of a network for the views of each line, and the line's signs as outputs of the network."""

    views: Sequence[Sequence[Logits]]
    signs: Sequence[npt.NDArray[np.int32]]


class Readings(NamedTuple):
    """The confidence of each line's best guess, float64[N], and whether that guess is its number, bool[N]."""

    confidences: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


def lines_of(model: keras.Model, strips: Strips) -> Lines:
    """Return the lines of strips, as the network answers for them."""
    widths = [each.shape[1] for each in strips.pixels]
    found: dict[int, Logits] = {}
    for pixels, rows in same_width(strips.pixels, None):
        for row, logits in zip(rows, np.asarray(model(pixels, training=False)), strict=True):
            found[int(row)] = logits[: (widths[row] - WINDOW_PX) // STEP_PX + 1]
    firsts = range(0, len(widths), strips.views)
    views = [[found[row] for row in range(first, first + strips.views)] for first in firsts]
    return Lines(views, [strips.signs[first][strips.signs[first] >= 0] for first in firsts])


def temperature_of(lines: Lines) -> float:
    """Return the temperature under which the signs of the lines are most likely."""
    rosters = [Roster([""], signs[None].astype(np.uint8), np.array([len(signs)])) for signs in lines.signs]
    costs = []
    for temperature in TEMPERATURES:
        shares = [
            combined(np.array([text_probabilities(roster, _outputs(view, temperature)) for view in views]))
            for roster, views in zip(rosters, lines.views, strict=True)
        ]
        costs.append(-float(np.log(np.maximum(shares, MIN_PROBABILITY)).mean()))
    return round(float(TEMPERATURES[int(np.argmin(costs))]), 4)


def readings_of(lines: Lines, temperature: float) -> Readings:
    """Read each line from all its views, as the service does. A line with another sign than digits is never right."""
    confidences, right = [], []
    for views, signs in zip(lines.views, lines.signs, strict=True):
        text, confidence = best_guesses([_outputs(view, temperature) for view in views], None)[0]
        confidences.append(confidence if text else 0.0)
        right.append(bool(signs.max() < CLASSES) and text == "".join(map(str, signs)))
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


def _outputs(logits: Logits, temperature: float) -> Outputs:
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(1, keepdims=True))
    outputs: Outputs = np.maximum(shares / shares.sum(1, keepdims=True), MIN_PROBABILITY)
    return outputs
