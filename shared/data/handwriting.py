"""Digits drawn with a pen, stroke by stroke, in the size and position of MNIST's images."""

import math
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from shared.images import Images
from shared.shapes import IMAGE_SIDE

Point = tuple[float, float]
Strokes = tuple[tuple[Point, ...], ...]

# The pen strokes of each digit, as points (x, y) in a box 14 wide and 20 high, with y pointing down.
BOX_WIDTH, BOX_HEIGHT = 14, 20
STROKES: tuple[Strokes, ...] = (
    (((7, 0), (2, 4), (0, 10), (2, 17), (7, 20), (12, 17), (14, 10), (12, 3), (7, 0)),),
    (((7, 0), (7, 10), (7, 20)),),
    (((1, 5), (4, 1), (9, 0), (13, 3), (12, 8), (7, 14), (0, 20)), ((0, 20), (7, 19), (14, 19.5))),
    (((1, 2), (6, 0), (12, 2), (12, 6), (6, 9)), ((6, 9), (12, 11), (13, 16), (8, 20), (0, 18))),
    (((3, 0), (1, 9)), ((1, 9), (7, 9.5), (13, 9)), ((12, 0), (11.5, 10), (11, 20))),
    (((13, 0), (3, 0)), ((3, 0), (2, 8)), ((2, 8), (7, 7), (12, 10), (12, 16), (7, 20), (0, 18))),
    (((9, 0), (4, 5), (1, 12), (2, 18), (7, 20), (12, 17), (12, 13), (8, 11), (4, 13), (2, 16)),),
    (((0, 1), (7, 1), (14, 0)), ((14, 0), (9, 10), (6, 20))),
    (((12, 3), (7, 0), (2, 3), (4, 8), (10, 12), (12, 17), (7, 20), (2, 17), (4, 12), (10, 8), (12, 3)),),
    (((12, 4), (7, 0), (2, 3), (2, 8), (7, 10), (12, 5)), ((12, 3), (12, 11), (10, 20))),
)
HEIGHT_PX = 16.5  # height of the strokes; with the width of the pen, digits fit MNIST's box of 20 pixels
OVERSAMPLING = 8
_STEPS = 12  # straight lines between two points of a curve


def write(strokes: Strokes, slant: float, width_px: float) -> Images:
    """Return uint8[28,28], white on black, with the centre of mass in the middle, like MNIST.

    `slant` leans to the right, and `width_px` is the width of the pen in pixels.
    """
    side = IMAGE_SIDE * OVERSAMPLING
    canvas = Image.new("L", (side, side))
    pen = ImageDraw.Draw(canvas)
    width = width_px * OVERSAMPLING
    for stroke in strokes:
        curve = [_to_canvas(point, slant) for point in _smooth(stroke)]
        for start, end in pairwise(curve):
            pen.line((*start, *end), fill=255, width=round(width))
        for x, y in curve:  # round joints, so that there are no gaps between lines
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    ink = np.asarray(canvas, np.float64)
    positions = np.arange(side) + 0.5
    shift_x, shift_y = (side / 2 - (ink.sum(axis=axis) @ positions) / ink.sum() for axis in (0, 1))
    centred = canvas.rotate(0, translate=(round(shift_x), round(shift_y)))
    return np.asarray(centred.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BOX), np.uint8)


def _to_canvas(point: Point, slant: float) -> Point:
    scale = HEIGHT_PX * OVERSAMPLING / BOX_HEIGHT
    middle = IMAGE_SIDE * OVERSAMPLING / 2
    x, y = point[0] - BOX_WIDTH / 2, point[1] - BOX_HEIGHT / 2
    return middle + (x - slant * y) * scale, middle + y * scale


def _smooth(points: tuple[Point, ...]) -> list[Point]:
    """Return a Catmull-Rom spline through all points. Two points give a straight line."""
    padded = (points[0], *points, points[-1])
    curve = [points[0]]
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(1, _STEPS + 1):
            t = step / _STEPS
            curve.append(
                (_spline(before[0], start[0], end[0], after[0], t), _spline(before[1], start[1], end[1], after[1], t))
            )
    return curve


def _spline(before: float, start: float, end: float, after: float, t: float) -> float:
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * math.pow(t, 2)
        + (3 * start - before - 3 * end + after) * math.pow(t, 3)
    )
