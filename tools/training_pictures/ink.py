"""The ink of a drawing, float32[H,W] from 0 (paper) to 1, and the ways to draw it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageDraw

Ink = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]  # float64[P,2], x and y in a box of 1×1

CANVAS_PX = 128
FAINT = 0.1


def from_image(image: Image.Image) -> Ink:
    """Return the ink of an image in mode L (255 for ink), cropped. A white pixel stands for an empty image."""
    ink = np.asarray(image, np.float32) / np.float32(255)
    return cropped(ink)


def cropped(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero((ink > FAINT).any(1)), np.flatnonzero((ink > FAINT).any(0))
    if not len(rows):
        return np.ones((1, 1), np.float32)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def stroke_ink(strokes: Sequence[Points], pen: float, slant: float = 0.0, width: float = 1.0) -> Ink:
    """Draw strokes with a round pen of `pen` times the height of the box."""
    pen_px = max(1.5, pen * CANVAS_PX)
    pad = CANVAS_PX
    canvas = Image.new("L", (3 * pad, 3 * pad))
    draw = ImageDraw.Draw(canvas)
    for stroke in strokes:
        x = pad + (stroke[:, 0] * width + slant * (0.5 - stroke[:, 1])) * CANVAS_PX
        y = pad + stroke[:, 1] * CANVAS_PX
        placed = list(zip(x.tolist(), y.tolist(), strict=True))
        draw.line(placed, fill=255, width=round(pen_px), joint="curve")
        radius = pen_px / 2
        for px, py in (placed[0], placed[-1]):
            draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=255)
    return from_image(canvas)


def smooth(points: Points, steps: int = 12) -> Points:
    """Return a Catmull-Rom curve through the points, closed if the points are."""
    closed = bool((points[0] == points[-1]).all())
    before = points[-2] if closed else points[0]
    after = points[1] if closed else points[-1]
    knots = np.concatenate([[before], points, [after]])
    a, b, c, d = knots[:-3, None], knots[1:-2, None], knots[2:-1, None], knots[3:, None]
    t = (np.arange(steps) / steps)[None, :, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def waves(shape: tuple[int, int], cells: float, rng: Generator) -> Ink:
    """Return smooth noise from 0 to 1 with about `cells` bumps per side."""
    side = max(2, round(cells))
    coarse = Image.fromarray(rng.random((side + 1, side + 1)).astype(np.float32))
    fine = np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    noise: Ink = np.clip(fine, 0, 1).astype(np.float32)
    return noise
