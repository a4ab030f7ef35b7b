"""Finds the digit among the ink: excludes specks, lines, frames, and what the edge of the picture cuts off."""

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
MIN_PIECE_AREA = 0.04  # relative to the digit's largest piece
MAX_PIECE_GAP = 0.3  # relative to the size of the digit's largest piece

Chosen = npt.NDArray[np.bool_]  # bool[C]


def digit_of(ink: Ink, threshold: float) -> Ink:
    """Return the digit's ink from 0 to 1, and 0 elsewhere. Raises BadImage if there is no digit."""
    ink = without_rules(ink, threshold)
    parts = label(ink > threshold / 2)
    sure = (ink > threshold).ravel()
    certain = np.bincount(parts.labels.ravel(), sure, len(parts.area_px) + 1)[1:].astype(np.float64)
    chosen = _digit(parts, certain, ink.shape)
    mask = np.concatenate([[False], chosen])[parts.labels]
    level = float(np.median(ink[mask & (ink > threshold)]))
    soft = np.clip((ink - 0.1 * level) / (0.8 * level), 0, 1)
    return np.where(mask, soft, 0).astype(np.float32)


def _digit(parts: Components, certain: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Chosen:
    height, width = shape
    size = np.maximum(parts.height, parts.width)
    real = (certain > 0) & (size >= max(MIN_SIDE_PX, MIN_SIDE * min(height, width)))
    real &= ~(_lines(parts, height, width) | _frames(parts))
    inside = real & ~_cut_off(parts, height, width)
    if inside.any() and certain[inside].max() >= 0.1 * certain[real].max():
        real = inside
    if not real.any() or parts.area_px[real].sum() > MAX_INK * height * width:
        raise BadImage(NO_INK)
    main = int(np.argmax(np.where(real, certain, -1)))
    gap = MAX_PIECE_GAP * size[main]
    near = (parts.top < parts.bottom[main] + gap) & (parts.bottom > parts.top[main] - gap)
    near &= (parts.left < parts.right[main] + gap) & (parts.right > parts.left[main] - gap)
    chosen: Chosen = (real & near & (certain >= MIN_PIECE_AREA * certain[main])) | (np.arange(len(size)) == main)
    return chosen


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
