"""Which of the ink is the digit: not specks, not lines, not a frame, not what the picture cuts off."""

import numpy as np
import numpy.typing as npt

from api.images.fit.components import Components, label
from api.images.fit.ink import NO_INK, Ink
from shared.errors import BadImage

LEAST_SIDE_PX = 5  # of a digit
LEAST_PART = 0.03  # of the picture's shorter side, that a digit is at least high or wide
MOST_INK = 0.6  # of the picture: more is no stroke
LINE_ASPECT = 7.0  # a line is so many times as long as it is thick
LINE_PART = 0.55  # of the picture's side, that a line is at least long
RULE_PART = 0.8  # of the picture's side, that is ink in a rule
RULE_THICK = 0.04  # of the other side, that a rule is at most thick
PIECE_AREA = 0.04  # of the digit's largest piece, that another piece has at least
PIECE_GAP = 0.3  # of its size, that another piece is at most away

Chosen = npt.NDArray[np.bool_]  # bool[C]


def digit_of(ink: Ink, threshold: float) -> Ink:
    """The digit's ink, 0 to 1, all else 0. Raises BadImage where there is none."""
    ink = _without_rules(ink, threshold)
    parts = label(ink > threshold / 2)
    sure = (ink > threshold).ravel()
    certain = np.bincount(parts.labels.ravel(), sure, len(parts.area_px) + 1)[1:].astype(np.float64)
    chosen = _digit(parts, certain, ink.shape)
    mask = np.concatenate([[False], chosen])[parts.labels]
    level = float(np.median(ink[mask & (ink > threshold)]))
    soft = np.clip((ink - 0.1 * level) / (0.8 * level), 0, 1)
    return np.where(mask, soft, 0).astype(np.float32)


def _without_rules(ink: Ink, threshold: float) -> Ink:
    """Level and upright lines through the whole picture, as of a form: two or more, for one may be a stroke."""
    mask = ink > threshold / 2
    lines = [_thin_bands(mask.mean(axis) > RULE_PART) for axis in (1, 0)]
    if sum(count for _, count in lines) < 2:
        return ink
    rows, columns = lines[0][0], lines[1][0]
    return np.where(rows[:, None] | columns[None, :], 0, ink).astype(np.float32)


def _thin_bands(full: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], int]:
    """Of the rows that are full, those in thin bands, with an edge of two on either side; and how many bands."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], full.astype(np.int8), [0]])))
    bands = [(first, last) for first, last in bounds.reshape(-1, 2) if last - first <= max(2, RULE_THICK * len(full))]
    thin = np.zeros(len(full), np.bool_)
    for first, last in bands:
        thin[max(0, first - 2) : last + 2] = True
    return thin, len(bands)


def _digit(parts: Components, certain: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Chosen:
    height, width = shape
    size = np.maximum(parts.height, parts.width)
    real = (certain > 0) & (size >= max(LEAST_SIDE_PX, LEAST_PART * min(height, width)))
    real &= ~(_lines(parts, height, width) | _frames(parts))
    inside = real & ~_cut_off(parts, height, width)
    if inside.any() and certain[inside].max() >= 0.1 * certain[real].max():
        real = inside
    if not real.any() or parts.area_px[real].sum() > MOST_INK * height * width:
        raise BadImage(NO_INK)
    main = int(np.argmax(np.where(real, certain, -1)))
    gap = PIECE_GAP * size[main]
    near = (parts.top < parts.bottom[main] + gap) & (parts.bottom > parts.top[main] - gap)
    near &= (parts.left < parts.right[main] + gap) & (parts.right > parts.left[main] - gap)
    chosen: Chosen = (real & near & (certain >= PIECE_AREA * certain[main])) | (np.arange(len(size)) == main)
    return chosen


def _lines(parts: Components, height: int, width: int) -> Chosen:
    """Ruled lines: long and nearly level, or nearly upright."""
    level = (parts.width > LINE_PART * width) & (parts.width > LINE_ASPECT * parts.height)
    upright = (parts.height > 0.9 * height) & (parts.height > 2 * LINE_ASPECT * parts.width)
    lines: Chosen = level | upright
    return lines


def _cut_off(parts: Components, height: int, width: int) -> Chosen:
    """What reaches the picture's edge goes on beyond it: a table beside the paper, a neighbour, a frame."""
    low, far = parts.bottom == height - 1, parts.right == width - 1
    cut: Chosen = (parts.top == 0) | (parts.left == 0) | low | far
    return cut


def _frames(parts: Components) -> Chosen:
    """A drawn frame is hollow and has something of size in it; a nought has nothing."""
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
