"""Reads a number from the model's answers for the windows of its line.

In each window the model sees a digit in the middle, another sign, or neither. The signs of the windows from left to
right are what the line reads, so the probabilities of all texts add up to one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from shared.contract.job import NumberLine
from shared.shapes import GAP, OTHER

MIN_PROBABILITY = 1e-6  # each output's; a window never excludes anything
SMALLEST = 1e-30
FURTHER_VIEW = 0.5
MIN_TRIED = 1e-3  # less likely signs are not tried
MAX_TEXTS = 32  # kept after each window
MAX_GUESSES = 3
MAX_ALTERNATIVES = 3
OTHER_SIGN = "?"  # in a text, for a sign that is no digit

Outputs = npt.NDArray[np.float64]  # float64[T,12], the probability of each output in each window
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit of a reading, and its box. `alternatives` are other labels, most likely first."""

    label: int
    box: Box
    confidence: float
    alternatives: Sequence[tuple[int, float]]


def window_outputs(
    line: NumberLine, probabilities: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
) -> list[Outputs]:
    """Return all outputs for the windows of each view, from the probabilities of the labels and the scores."""
    labels = probabilities.astype(np.float64)
    labels *= np.asarray(scores / np.maximum(labels.max(1), 1e-9), np.float64)[:, None]
    others = np.maximum(0, 1 - labels.sum(1))
    outputs: Outputs = np.maximum(np.column_stack([labels, others]), MIN_PROBABILITY)
    return np.split(outputs, np.cumsum(line.views)[:-1])


def most_likely(views: Sequence[Outputs]) -> list[tuple[str, float]]:
    """Return the most likely texts and their probabilities in all views together, the best first."""
    found = [dict(_texts(outputs)) for outputs in views]
    texts = sorted({text for each in found for text in each})
    shares = combined(np.array([[each.get(text, MIN_PROBABILITY) for text in texts] for each in found]))
    return sorted(zip(texts, shares.tolist(), strict=True), key=lambda each: -each[1])


def combined(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probabilities float64[N] of texts from those in each view, float64[V,N].

    Views that agree make each other surer, but they show the same ink: a further view counts FURTHER_VIEW of a witness.
    """
    witnesses = 1 + (len(shares) - 1) * FURTHER_VIEW
    others = 1 - shares.sum(1, keepdims=True)
    logarithms = np.log(np.maximum(np.hstack([shares, others]), SMALLEST)).mean(0) * witnesses
    weights = np.exp(logarithms - logarithms.max())
    together: npt.NDArray[np.float64] = (weights / weights.sum())[:-1]
    return together


def _texts(outputs: Outputs) -> list[tuple[str, float]]:
    """Return the most likely texts of one view and their probabilities."""
    texts = {"": 0.0}  # and the logarithm of the probability of all ways to read them
    for window in np.log(outputs):
        read = {text: weight + window[GAP] for text, weight in texts.items()}
        for output in np.flatnonzero(window > math.log(MIN_TRIED)):
            if output == GAP:
                continue
            sign = OTHER_SIGN if output == OTHER else str(output)
            for text, weight in texts.items():
                longer = weight + window[output]
                read[text + sign] = float(np.logaddexp(read.get(text + sign, -math.inf), longer))
        best = sorted(read, key=lambda text: -read[text])[:MAX_TEXTS]
        texts = {text: read[text] for text in best}
    return [(text, math.exp(weight)) for text, weight in texts.items()]


def digits_of(text: str, line: NumberLine, outputs: Outputs) -> list[Digit]:
    """Return the digits of a text, each with the ink around its window. `[]` if there are fewer windows.

    `outputs` are those of the first view.
    """
    places = _places(text, np.log(outputs))
    if not places:
        return []
    middles = np.array([piece.middle for piece in line.pieces])
    ends = [-math.inf, *((one + other) / 2 for one, other in pairwise(places)), math.inf]
    digits = []
    for label, place, first, end in zip(text, places, ends, ends[1:], strict=False):
        inside = np.flatnonzero((middles > first) & (middles <= end))
        pieces = inside if len(inside) else [int(np.abs(middles - place).argmin())]
        windows = slice(max(0, math.ceil(first)) if first > 0 else 0, math.floor(min(end, len(outputs) - 1)) + 1)
        shares = outputs[windows, :GAP].sum(0)
        digits.append(_digit(int(label), _joined([line.pieces[each].box for each in pieces]), shares / shares.sum()))
    return digits


def _places(text: str, logarithms: Outputs) -> list[int]:
    """Return the window of each digit in the most likely way to read a text."""
    windows, count = len(logarithms), len(text)
    if not 0 < count <= windows:
        return []
    labels = [int(digit) for digit in text]
    best = np.full((windows + 1, count + 1), -np.inf)
    best[0, 0] = 0
    for window in range(windows):
        best[window + 1] = best[window] + logarithms[window, GAP]
        further = best[window, :-1] + logarithms[window, labels]
        best[window + 1, 1:] = np.maximum(best[window + 1, 1:], further)
    places = []
    for window in range(windows, 0, -1):
        if count and best[window - 1, count] + logarithms[window - 1, GAP] < best[window, count]:
            count -= 1
            places.append(window - 1)
    return places[::-1]


def _joined(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _digit(label: int, box: Box, shares: npt.NDArray[np.float64]) -> Digit:
    order = [int(each) for each in np.argsort(-shares) if each != label][:MAX_ALTERNATIVES]
    others = [(each, float(shares[each])) for each in order if shares[each] >= MIN_TRIED]
    return Digit(label, box, float(shares[label]), others)
