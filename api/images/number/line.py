"""Finds the ink of one number: a line of digits, without specks, rules, and what the edge of the picture cuts off."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from api.images.fit.components import Components, Indices, Mask, label
from api.images.fit.ink import NO_INK, Ink, threshold_of
from api.images.fit.rules import without_rules
from shared.errors import BadImage

# Sizes are fractions of the height of the digits, unless stated otherwise.
MIN_SIDE_PX = 4  # height or width of a part
MIN_SIDE = 0.02  # fraction of the picture's shorter side
MIN_DIGIT = 0.45  # height of a part that is a digit of its own
MIN_SMALL = 0.1  # height or width of other parts, such as the bar of a 5
MAX_GAP = 1.6  # between digits
MAX_SMALL_GAP = 0.25  # between a digit and a small part
MIN_OVERLAP = 0.4  # rows that two neighbours share, as a fraction of the lower one
MIN_CUT_OFF, MAX_CUT_OFF = 0.7, 1.4  # height of a digit that the side of the picture cuts
MAX_INK = 0.6  # fraction of the picture
LINE_ASPECT = 6.0  # ratio of an underline's width to its height
SHARED_COLUMNS = 0.6  # parts that share this fraction of their columns are one digit
SHARED_COLUMNS_OF_DIGITS = 0.85
SLANTS = np.linspace(-0.5, 0.7, 25)  # columns per row
SLANT_COST = 0.06  # relative loss for the largest slant that has to be gained


Number = TypeVar("Number", np.float32, np.int64)


@dataclass(frozen=True, slots=True)
class InkLine:
    """The ink of a number, sheared so that its digits stand upright.

    `soft` is float32[H,W] from 0 to 1. `groups` is int64[H,W]: 0 for no ink, 1 to G from left to right. Row y is the
    picture's row `top + y`, and its pixel x is the picture's pixel `lefts[y] + x`. `digit_px` is the typical height of
    a digit.
    """

    soft: Ink
    groups: Indices
    top: int
    lefts: Indices
    digit_px: float


def line_of(ink: Ink, threshold: float) -> InkLine:
    """Return the largest line of ink, without rules and boxes. Raises BadImage if there is none."""
    cleared = without_rules(ink, threshold)
    if cleared is not ink:  # a pen may be fainter than the rules
        threshold = min(threshold, threshold_of(cleared))
    return line_in(cleared, threshold)


def line_in(ink: Ink, threshold: float) -> InkLine:
    """Return the largest line of ink that has no rules and boxes. Raises BadImage if there is none."""
    parts = label(ink > threshold / 2)
    chosen, digit_px = _line(parts, ink, threshold)
    top, left = int(parts.top[chosen].min()), int(parts.left[chosen].min())
    area = (slice(top, int(parts.bottom[chosen].max()) + 1), slice(left, int(parts.right[chosen].max()) + 1))
    ink, labels = ink[area], parts.labels[area]
    mask = np.concatenate([[False], chosen])[labels]
    level = float(np.median(ink[mask & (ink > threshold)]))
    soft = np.where(mask, np.clip((ink - 0.1 * level) / (0.8 * level), 0, 1), 0).astype(np.float32)
    shifts = _upright(mask)
    groups = _grouped(_sheared(np.where(mask, labels, 0), shifts), digit_px)
    return InkLine(_sheared(soft, shifts), groups, top, left - shifts, digit_px)


def _line(parts: Components, ink: Ink, threshold: float) -> tuple[Mask, float]:
    """Return which parts belong to the line of the largest part, and the height of its digits."""
    height, width = ink.shape
    certain = np.bincount(parts.labels.ravel(), (ink > threshold).ravel(), len(parts.area_px) + 1)[1:]
    size = np.maximum(parts.height, parts.width)
    real = (certain > 0) & (size >= max(MIN_SIDE_PX, MIN_SIDE * min(height, width)))
    real &= ~((parts.width > 0.5 * width) & (parts.width > LINE_ASPECT * parts.height))
    at_side = (parts.left == 0) | (parts.right == width - 1)
    cut_off = (parts.top == 0) | (parts.bottom == height - 1) | at_side
    inside = real & ~cut_off
    at_sides = np.zeros_like(real)
    if inside.any() and certain[inside].max() >= 0.1 * certain[real].max():
        at_sides = real & at_side & (parts.top > 0) & (parts.bottom < height - 1)
        real = inside
    if not real.any() or parts.area_px[real].sum() > MAX_INK * height * width:
        raise BadImage(NO_INK)
    main = int(np.argmax(np.where(real, certain, -1)))
    digit_px = float(parts.height[main])
    peers = real & (parts.height > 0.5 * digit_px) & (parts.height < 1.6 * digit_px)
    digit_px = float(np.median(parts.height[peers])) if peers.any() else digit_px
    # A digit that the side of the picture cuts continues the line: without it the number would be another.
    real |= at_sides & (parts.height >= MIN_CUT_OFF * digit_px) & (parts.height <= MAX_CUT_OFF * digit_px)
    chosen = _chain(parts, real & (parts.height >= MIN_DIGIT * digit_px), main, digit_px)
    return chosen | _small_parts(parts, real & ~chosen, chosen, digit_px), digit_px


def _chain(parts: Components, digits: Mask, main: int, digit_px: float) -> Mask:
    """Return the digits that continue the line to the left and right of `main`, each next to the one before."""
    chosen = np.zeros(len(digits), np.bool_)
    chosen[main] = True
    order = np.argsort(parts.left + parts.right)
    position = int(np.flatnonzero(order == main)[0])
    for side in (order[position + 1 :], order[:position][::-1]):
        last = main
        for each in side:
            if digits[each] and _continues(parts, last, int(each), digit_px):
                chosen[each] = True
                last = int(each)
    return chosen


def _continues(parts: Components, one: int, other: int, digit_px: float) -> bool:
    gap = max(parts.left[one], parts.left[other]) - min(parts.right[one], parts.right[other])
    shared = min(parts.bottom[one], parts.bottom[other]) - max(parts.top[one], parts.top[other])
    lower = min(parts.height[one], parts.height[other])
    return bool(gap <= MAX_GAP * digit_px and shared >= MIN_OVERLAP * lower)


def _small_parts(parts: Components, others: Mask, chosen: Mask, digit_px: float) -> Mask:
    """Return the small parts that lie close to a digit, such as segments of a display."""
    small = np.zeros(len(others), np.bool_)
    size = np.maximum(parts.height, parts.width)
    wide = (parts.width > LINE_ASPECT * parts.height) & (parts.width > 0.9 * digit_px)  # an underline
    near = MAX_SMALL_GAP * digit_px
    for each in np.flatnonzero(others & (size >= MIN_SMALL * digit_px) & ~wide):
        close = chosen & (parts.left < parts.right[each] + near) & (parts.right > parts.left[each] - near)
        close &= (parts.top < parts.bottom[each] + near) & (parts.bottom > parts.top[each] - near)
        small[each] = bool(close.any())
    return small


def _upright(mask: Mask) -> Indices:
    """Return how far each row moves so that strokes stand upright: the columns of ink become as uneven as possible."""
    rows, columns = np.nonzero(mask)
    best, best_score = 0.0, 0.0
    for slant in SLANTS:
        moved = columns + np.rint(slant * (rows - mask.shape[0] / 2)).astype(np.int64) + mask.shape[0]
        score = float((np.bincount(moved).astype(np.float64) ** 2).sum()) * (1 - SLANT_COST * abs(slant) / 0.7)
        if score > best_score:
            best, best_score = float(slant), score
    shifts = np.rint(best * (np.arange(mask.shape[0]) - mask.shape[0] / 2)).astype(np.int64)
    upright: Indices = shifts - shifts.min()
    return upright


def _sheared(values: npt.NDArray[Number], shifts: Indices) -> npt.NDArray[Number]:
    wide = np.zeros((len(values), values.shape[1] + int(shifts.max())), values.dtype)
    for row, shift in enumerate(shifts):
        wide[row, shift : shift + values.shape[1]] = values[row]
    return wide


def _grouped(labels: Indices, digit_px: float) -> Indices:
    """Join parts above each other, and number the groups from left to right."""
    names = np.unique(labels[labels > 0])
    rows, columns = np.nonzero(labels)
    order = np.searchsorted(names, labels[rows, columns])
    count = len(names)
    left, top = np.full(count, labels.shape[1]), np.full(count, labels.shape[0])
    right, bottom = np.full(count, -1), np.full(count, -1)
    np.minimum.at(left, order, columns)
    np.maximum.at(right, order, columns)
    np.minimum.at(top, order, rows)
    np.maximum.at(bottom, order, rows)
    group = np.arange(count)
    joined = True
    while joined:
        joined = False
        for one in range(count):
            for other in range(one + 1, count):
                if group[one] != group[other] and _stacked(one, other, left, right, top, bottom, digit_px):
                    members = (group == group[one]) | (group == group[other])
                    group[members] = group[one]
                    left[members], right[members] = left[members].min(), right[members].max()
                    top[members], bottom[members] = top[members].min(), bottom[members].max()
                    joined = True
    centre = left + right
    ranks = {int(name): rank for rank, name in enumerate(sorted(set(group), key=lambda name: centre[name]), 1)}
    numbered = np.zeros(int(names[-1]) + 1, np.int64)
    numbered[names] = [ranks[int(name)] for name in group]
    return numbered[labels]


def _stacked(one: int, other: int, left: Indices, right: Indices, top: Indices, bottom: Indices, px: float) -> bool:
    shared = min(right[one], right[other]) - max(left[one], left[other]) + 1
    narrower = min(right[one] - left[one], right[other] - left[other]) + 1
    both_high = min(bottom[one] - top[one], bottom[other] - top[other]) > 0.7 * px
    return bool(shared >= (SHARED_COLUMNS_OF_DIGITS if both_high else SHARED_COLUMNS) * narrower)
