"""MNIST's normalisation: a box of 20×20 that keeps the aspect ratio, placed in 28×28 by its centre of mass."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.fit.ink import Ink, extreme_of
from shared.shapes import IMAGE_SIDE

BOX_PX = 20
ENLARGEMENT = 10  # strokes are widened or thinned in a drawing this many times as large
CENTRE_PX = 14.0  # index of the centre of mass of MNIST's images
# Stroke widths. Half of MNIST's images have 2.1 to 3.
MIN_STROKE_PX = 1.9  # the 5th percentile
TYPICAL_STROKE_PX = 2.3
MAX_STROKE_PX = 3.2  # anything wider is printed, or drawn with a felt pen
ROW_ASPECT = 1.25  # minimal ratio of the width of several digits to their height
MAX_BETWEEN_PX = 6.0  # ink in the emptiest column between two digits; most scribbles have more in each column
FAINT = 0.1  # fainter ink at the edges does not count for the box


def normalised(ink: Ink) -> npt.NDArray[np.uint8]:
    """Return uint8[28,28] of a digit's ink (float32[H,W] from 0 to 1, without any other ink)."""
    fine = _boxed(ink, BOX_PX * ENLARGEMENT)
    drawn = _boxed(_with_typical_strokes(fine), BOX_PX)
    image = np.zeros((3 * IMAGE_SIDE, 3 * IMAGE_SIDE), np.float32)  # room for a centre of mass at a corner
    height, width = drawn.shape
    mass = max(float(drawn.sum()), 1e-6)
    down = CENTRE_PX - float(drawn.sum(1) @ np.arange(height)) / mass
    right = CENTRE_PX - float(drawn.sum(0) @ np.arange(width)) / mass
    top, left = IMAGE_SIDE + round(down), IMAGE_SIDE + round(right)
    image[top : top + height, left : left + width] = drawn
    middle = image[IMAGE_SIDE : 2 * IMAGE_SIDE, IMAGE_SIDE : 2 * IMAGE_SIDE]
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(middle, 0, 1) * 255).astype(np.uint8)
    return pixels


def shows_row(image: npt.NDArray[np.uint8]) -> bool:
    """Return whether the ink in uint8[28,28], as `normalised` returns it, is wide like several digits and thin between.

    Several digits are, whether they touch or were put into a row.
    """
    rows, columns = (np.flatnonzero((image > FAINT * 255).any(axis)) for axis in (1, 0))
    if not len(rows) or np.ptp(columns) + 1 < ROW_ASPECT * (np.ptp(rows) + 1):
        return False
    fifth = (np.ptp(columns) + 1) // 5
    between = image[:, columns[0] + fifth : columns[-1] + 1 - fifth].sum(0) / 255
    return bool(between.min() <= MAX_BETWEEN_PX)


def _boxed(ink: Ink, side: int) -> Ink:
    """Crop to the ink and scale its longer side to `side`."""
    rows, columns = np.flatnonzero((ink > FAINT).any(1)), np.flatnonzero((ink > FAINT).any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ink.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(
        Image.fromarray(ink).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    )


def stroke_px(ink: Ink) -> float:
    """Return the mean stroke width: twice the area divided by the outline, whose pixel steps are 4/π too long."""
    padded = np.pad(ink, 1)
    outline = (np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()) * np.pi / 4
    return float(2 * ink.sum() / max(outline, 1e-6))


def _with_typical_strokes(fine: Ink) -> Ink:
    """Widen or thin strokes that are unusual for MNIST."""
    width_px = stroke_px(fine) / ENLARGEMENT
    if width_px < MIN_STROKE_PX:
        change = TYPICAL_STROKE_PX - width_px
    elif width_px > MAX_STROKE_PX:
        change = MAX_STROKE_PX - width_px
    else:
        return fine
    steps = max(1, round(abs(change) * ENLARGEMENT / 2))
    # Whole levels, as in an image file. Squares of 2·steps + 1 pixels equal as many filters of 3×3.
    levels = np.rint(np.clip(np.pad(fine, steps), 0, 1) * 255).astype(np.float32)
    changed: Ink = extreme_of(levels, 2 * steps + 1, np.maximum if change > 0 else np.minimum) / np.float32(255)
    return changed if changed.max() > 0.5 else fine
