"""Finds the digit among the ink: excludes specks, lines, frames, and what the edge of the picture cuts off."""

import math

import numpy as np
import numpy.typing as npt

from api.images.fit.components import Components, label
from api.images.fit.ink import NO_INK, Ink
from api.images.fit.rules import without_rules
from shared.errors import BadImage

# Sizes are fractions of the picture's side, unless stated otherwise.
MIN_SIDE_PX = 5  # height or width of a digit
MIN_SIDE = 0.03  # height or width of a digit
MAX_INK = 0.6  # fraction of the picture that may be ink
LINE_ASPECT = 7.0  # minimal ratio of a line's length to its thickness
MIN_LINE_LENGTH = 0.55
MIN_BORDER_INK = 0.7  # part of the box around a border
MIN_PIECE_AREA = 0.04  # relative to the digit's largest piece
MAX_PIECE_GAP = 0.3  # relative to the size of the digit's largest piece
MAX_BREAK = 0.02  # in a stroke where a rule crossed it
# A piece that is about as high as the largest one, and that a gap separates from it, is another digit.
MIN_DIGIT_HEIGHT, MIN_DIGIT_AREA = 0.5, 0.25  # relative to those of the largest piece
MIN_GAP, MIN_GAP_PX = 0.03, 3.0  # between two digits, relative to the size of the largest piece; and in pixels
MAX_PART_GAP = 0.25  # to bars, as on a display or in a 4, and to smaller pieces, relative to the largest piece
BAR_ASPECT = 2.6  # minimal ratio of a bar's sides
BEYOND = 0.04  # how far an underline continues on both sides of a digit, relative to the digit's width
# Further ink is another digit if its height and its area are about those of the digit.
MIN_OTHER_HEIGHT, MAX_OTHER_HEIGHT = 0.5, 2.0
MIN_OTHER_AREA, MAX_OTHER_AREA = 0.15, 4.0
ROW_GAP = 0.1  # between digits in a row, as a fraction of their height
ROW_ASPECT = 2.0  # minimal ratio of the row's width to its height: narrow digits are repeated

Chosen = npt.NDArray[np.bool_]  # bool[C]


def digit_of(ink: Ink, threshold: float) -> Ink:
    """Return the digit's ink from 0 to 1, and 0 elsewhere. Raises BadImage if there is no digit.

    Several digits are moved into one wide row, because a model that knows non-digits rejects a row.
    """
    drawn, ink = ink, without_rules(ink, threshold)
    break_px = 0.0 if ink is drawn else MAX_BREAK * max(ink.shape)
    parts = label(ink > threshold / 2)
    sure = (ink > threshold).ravel()
    certain = np.bincount(parts.labels.ravel(), sure, len(parts.area_px) + 1)[1:].astype(np.float64)
    chosen, others = _digit(parts, certain, ink.shape, break_px)
    mask = np.concatenate([[False], chosen | others])[parts.labels]
    level = float(np.median(ink[mask & (ink > threshold)]))
    soft = np.where(mask, np.clip((ink - 0.1 * level) / (0.8 * level), 0, 1), 0).astype(np.float32)
    return _row(soft, parts, chosen, others) if others.any() else soft


def _row(soft: Ink, parts: Components, chosen: Chosen, others: Chosen) -> Ink:
    """Return the ink of the digit and of all other parts next to each other, at the same height."""
    digits = [chosen, *(np.arange(len(others)) == each for each in np.flatnonzero(others))]
    cut = []
    for digit in digits:
        top, bottom, left, right = _bounds(parts, digit)
        mask = np.concatenate([[False], digit])[parts.labels[top:bottom, left:right]]
        cut.append(np.where(mask, soft[top:bottom, left:right], 0))
    height = max(map(len, cut))
    gap = np.zeros((height, max(1, round(ROW_GAP * height))), np.float32)
    row = np.concatenate(
        [part for each in cut for part in (np.pad(each, ((0, height - len(each)), (0, 0))), gap)], axis=1
    )
    return np.tile(row, (1, math.ceil(ROW_ASPECT * height / row.shape[1])))


def _bounds(parts: Components, digit: Chosen) -> tuple[int, int, int, int]:
    """Return first row, end of the rows, first column, and end of the columns of the chosen parts."""
    top, bottom = parts.top[digit].min(), parts.bottom[digit].max() + 1
    return int(top), int(bottom), int(parts.left[digit].min()), int(parts.right[digit].max()) + 1


def _digit(
    parts: Components, certain: npt.NDArray[np.float64], shape: tuple[int, ...], break_px: float
) -> tuple[Chosen, Chosen]:
    """Return which parts are the largest digit, and which are others of about its size.

    Rules that were removed have left breaks of up to `break_px` in the strokes.
    """
    height, width = shape
    size = np.maximum(parts.height, parts.width)
    real = (certain > 0) & (size >= max(MIN_SIDE_PX, MIN_SIDE * min(height, width)))
    real &= ~(_lines(parts, height, width) | _frames(parts) | _borders(parts, height, width))
    inside = real & ~_cut_off(parts, height, width)
    if inside.any() and certain[inside].max() >= 0.1 * certain[real].max():
        real = inside
    if not real.any() or parts.area_px[real].sum() > MAX_INK * height * width:
        raise BadImage(NO_INK)
    main = int(np.argmax(np.where(real, certain, -1)))
    chosen = _near(parts, np.arange(len(size)) == main, MAX_PIECE_GAP * size[main])
    chosen &= real & (certain >= MIN_PIECE_AREA * certain[main])
    chosen = _connected(parts, chosen, real, MAX_BREAK * max(shape))
    chosen &= ~_underlines(parts, chosen)
    apart = _apart(parts, certain, chosen, break_px)
    return chosen & ~apart, apart | _other_digits(parts, certain, real, chosen)


def _near(parts: Components, chosen: Chosen, gap_px: float) -> Chosen:
    """Return which parts are at most `gap_px` from the box around a chosen one, with the chosen ones."""
    near = chosen.copy()
    for each in np.flatnonzero(chosen):
        close = (parts.top < parts.bottom[each] + gap_px) & (parts.bottom > parts.top[each] - gap_px)
        near |= close & (parts.left < parts.right[each] + gap_px) & (parts.right > parts.left[each] - gap_px)
    return near


def _connected(parts: Components, chosen: Chosen, real: Chosen, gap_px: float) -> Chosen:
    """Return the chosen parts and all that continue them: rules that were removed leave gaps in strokes."""
    while True:
        further = _near(parts, chosen, gap_px) & real
        if not (further & ~chosen).any():
            return chosen
        chosen = chosen | further


def _underlines(parts: Components, chosen: Chosen) -> Chosen:
    """Return which chosen parts are lines below all others, and longer than they are wide on both sides."""
    lines: Chosen = chosen & (parts.width > LINE_ASPECT * parts.height)
    digit = chosen & ~lines
    if not lines.any() or not digit.any():
        return chosen & False
    _, bottom, left, right = _bounds(parts, digit)
    beyond = BEYOND * (right - left)
    return lines & (parts.top >= bottom) & (parts.left < left - beyond) & (parts.right >= right + beyond)


def _apart(parts: Components, certain: npt.NDArray[np.float64], chosen: Chosen, break_px: float) -> Chosen:
    """Return which chosen parts are digits of their own, above, below, or next to the largest one."""
    main = int(np.argmax(np.where(chosen, certain, -1)))
    size = np.maximum(parts.height, parts.width)
    similar = chosen & (parts.height >= MIN_DIGIT_HEIGHT * parts.height[main])
    similar &= certain >= MIN_DIGIT_AREA * certain[main]
    bars = size > BAR_ASPECT * np.minimum(parts.height, parts.width)
    gap_px = max(break_px, MIN_GAP * size[main], MIN_GAP_PX)
    wide_px = max(gap_px, MAX_PART_GAP * size[main])
    own = np.arange(len(size)) == main
    while True:
        further = _near(parts, own, gap_px) | (~similar & _near(parts, own, wide_px))
        further |= (bars | bars[own].any()) & _near(parts, own, wide_px)
        further &= chosen
        if not (further & ~own).any():
            apart: Chosen = similar & ~own
            return apart
        own = own | further


def _other_digits(parts: Components, certain: npt.NDArray[np.float64], real: Chosen, chosen: Chosen) -> Chosen:
    """Return which further parts are as large as the chosen digit."""
    top, bottom, *_ = _bounds(parts, chosen)
    height = bottom - top
    area = float(certain[chosen].sum())
    others: Chosen = real & ~chosen & (parts.height >= MIN_OTHER_HEIGHT * height)
    others &= parts.height <= MAX_OTHER_HEIGHT * height
    others &= (certain >= MIN_OTHER_AREA * area) & (certain <= MAX_OTHER_AREA * area)
    return others


def _lines(parts: Components, height: int, width: int) -> Chosen:
    """Return which parts are ruled lines: long, and nearly horizontal or vertical."""
    horizontal = (parts.width > MIN_LINE_LENGTH * width) & (parts.width > LINE_ASPECT * parts.height)
    vertical = (parts.height > 0.9 * height) & (parts.height > 2 * LINE_ASPECT * parts.width)
    lines: Chosen = horizontal | vertical
    return lines


def _cut_off(parts: Components, height: int, width: int) -> Chosen:
    """Return which parts touch the edge of the picture, such as a table next to the paper, or a neighbouring digit."""
    first = (parts.top == 0) | (parts.left == 0)
    cut: Chosen = first | (parts.bottom == height - 1) | (parts.right == width - 1)
    return cut


def _borders(parts: Components, height: int, width: int) -> Chosen:
    """Return which parts fill a border of the picture from corner to corner, such as a table, or one end of a gradient.

    They touch three edges. A digit that was cut out closely touches all four.
    """
    touching = (parts.top == 0).astype(np.int64) + (parts.bottom == height - 1)
    touching += (parts.left == 0).astype(np.int64) + (parts.right == width - 1)
    borders: Chosen = (touching == 3) & (parts.area_px > MIN_BORDER_INK * parts.height * parts.width)
    return borders


def _frames(parts: Components) -> Chosen:
    """Return which parts are drawn frames. A frame is hollow and holds something large, which a zero does not."""
    frames = np.zeros(len(parts.area_px), np.bool_)
    sparse = parts.area_px < 0.45 * parts.height * parts.width
    for each in np.flatnonzero(sparse & (parts.height > 12) & (parts.width > 12)):
        within = (parts.top > parts.top[each]) & (parts.bottom < parts.bottom[each])
        within &= (parts.left > parts.left[each]) & (parts.right < parts.right[each])
        sized = parts.height > 0.25 * parts.height[each]
        if (within & sized).any():
            frames[each] = _hollow(parts, int(each))
    return frames


def _hollow(parts: Components, each: int) -> bool:
    top, left = parts.top[each] + parts.height[each] // 5, parts.left[each] + parts.width[each] // 5
    bottom, right = parts.bottom[each] - parts.height[each] // 5, parts.right[each] - parts.width[each] // 5
    own = parts.labels[top : bottom + 1, left : right + 1] == each + 1
    return bool(own.mean() < 0.02)
