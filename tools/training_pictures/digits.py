"""Digits by pen, on displays, and cut out of MNIST's training images; halves of digits and several digits."""

import numpy as np
from numpy.random import Generator
from PIL import Image

from shared.images import Images
from tools.training_pictures.hands import HAND, HELD_OUT_HAND
from tools.training_pictures.ink import Ink, Points, cropped, smooth, stroke_ink

SEGMENTS = {
    0: "abcdef",
    1: "bc",
    2: "abged",
    3: "abgcd",
    4: "fgbc",
    5: "afgcd",
    6: "afgedc",
    7: "abc",
    8: "abcdefg",
    9: "abcdfg",
}
# Sides of which the half of a digit is no digit to a person. Half a 1 is a 1, the upper half of an 8 is a 0.
NO_DIGIT = {0: "tblr", 2: "blr", 3: "bl", 4: "tl", 5: "tblr", 6: "lr", 7: "l", 8: "l", 9: "l"}
MNIST_SCALE = 4


def written(digit: int, rng: Generator, pen: float | None = None, held_out: bool = False) -> Ink:
    """Return the ink of a digit that is drawn in one of several ways, with a pen of any width unless one is given."""
    ways = (HELD_OUT_HAND if held_out else HAND)[digit]
    texts = ways[int(rng.integers(len(ways)))].split(" / ")
    shake = float(rng.uniform(0.004, 0.028))
    moved: dict[str, Points] = {}
    strokes = []
    for text in texts:
        corners = text.startswith("=")
        points = []
        for point in text.removeprefix("=").split():
            if point not in moved:
                x, y = point.split(",")
                moved[point] = np.array([int(x), int(y)]) / 100 + rng.normal(0, shake, 2)
            points.append(moved[point])
        stroke = np.array(points)
        strokes.append(stroke if corners and rng.random() < 0.7 else smooth(stroke))
    return stroke_ink(strokes, pen or pen_width(rng), float(rng.uniform(-0.15, 0.35)), float(rng.uniform(0.4, 0.95)))


def pen_width(rng: Generator) -> float:
    """Return the width of a pen, as a fraction of the height of its digits."""
    return float(rng.choice((0.015, 0.03, 0.05, 0.08, 0.12, 0.16)) * rng.uniform(0.8, 1.2))


def on_display(digit: int, rng: Generator) -> Ink:
    """Return the ink of a digit in seven segments, with pointed or square ends, gaps and slant."""
    width, thick, gap = rng.uniform(0.45, 0.7), rng.uniform(0.06, 0.16), rng.uniform(-0.03, 0.04)
    t = thick / 2
    pointed = rng.random() < 0.5
    ends = {
        "a": ((t, t), (width - t, t)), "g": ((t, 0.5), (width - t, 0.5)), "d": ((t, 1 - t), (width - t, 1 - t)),
        "f": ((t, t), (t, 0.5)), "b": ((width - t, t), (width - t, 0.5)),
        "e": ((t, 0.5), (t, 1 - t)), "c": ((width - t, 0.5), (width - t, 1 - t)),
    }  # fmt: skip
    names = SEGMENTS[digit]
    if digit == 6 and rng.random() < 0.3:
        names = names.replace("a", "")
    if digit == 7 and rng.random() < 0.3:
        names += "f"
    if digit == 9 and rng.random() < 0.3:
        names = names.replace("d", "")
    side = 128  # pixels
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    x = x + rng.uniform(-0.02, 0.18) * (y - 1)
    ink = np.zeros((side, side), np.bool_)
    for name in names:
        (x0, y0), (x1, y1) = ends[name]
        along, across = (x - x0, np.abs(y - y0)) if y0 == y1 else (y - y0, np.abs(x - x0))
        length = max(x1 - x0, y1 - y0)
        point = across if pointed else 0.0
        ink |= (across <= t) & (along >= gap + point - t) & (along <= length - gap - point + t)
    return cropped(ink.astype(np.float32))


def enlarged(image: Images) -> Ink:
    """Return the ink of an MNIST image uint8[28,28], MNIST_SCALE times as large."""
    side = MNIST_SCALE * image.shape[0]
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return cropped(np.asarray(large, np.float32) / np.float32(255))


def half(image: Images, digit: int, rng: Generator) -> Images | None:
    """Return an MNIST image with one half erased, or None if no half of this digit is certainly no digit."""
    sides = NO_DIGIT.get(digit, "")
    if not sides:
        return None
    side = sides[int(rng.integers(len(sides)))]
    mask = image > 40
    axis = 0 if side in "tb" else 1
    used = np.flatnonzero(mask.any(1 - axis))
    cut = round(used[0] + (used[-1] + 1 - used[0]) * float(rng.uniform(0.42, 0.58)))
    kept = np.moveaxis(image.copy(), axis, 0)
    if side in "tl":
        kept[cut:] = 0
    else:
        kept[:cut] = 0
    return np.moveaxis(kept, 0, axis)


def row_of(inks: list[Ink], rng: Generator) -> Ink:
    """Return several digits in one row, touching or spaced closely."""
    height = 100
    drawn = [_sized(ink, height * float(rng.uniform(0.75, 1.1))) for ink in inks]
    canvas = np.zeros((2 * height, sum(each.shape[1] for each in drawn) + 60 * len(drawn)), np.float32)
    gap, left = rng.uniform(-12, 18), 20.0
    for each in drawn:
        top = round(height - each.shape[0] / 2 + rng.normal(0, 6))
        place = canvas[top : top + each.shape[0], round(left) : round(left) + each.shape[1]]
        np.maximum(place, each[: place.shape[0], : place.shape[1]], out=place)
        left = max(left + 4, left + each.shape[1] + gap + rng.normal(0, 3))
    return cropped(canvas)


def pile_of(one: Ink, other: Ink, rng: Generator) -> Ink:
    """Return two digits above each other or diagonal, in any direction, from overlapping a little to a wide gap."""
    upper, lower = (_sized(ink, 100 * float(rng.uniform(0.6, 1.2))) for ink in (one, other))
    steep = float(rng.uniform(-1, 1))  # 0: above each other, 1: the boxes touch in a corner
    gap = float(rng.choice((rng.uniform(-9, 4), rng.uniform(2, 25), rng.uniform(20, 60))))
    sideways = rng.random() < 0.4  # the boxes lie next to each other, and one is higher
    down, across = upper.shape[0] + gap, (upper.shape[1] + lower.shape[1]) / 2 * steep
    if sideways:
        across = (1 if steep > 0 else -1) * ((upper.shape[1] + lower.shape[1]) / 2 + gap)
        down = upper.shape[0] * float(rng.uniform(0.3, 1))
    canvas = np.zeros((400, 800), np.float32)
    for ink, top, middle in ((upper, 20, 400), (lower, 20 + round(down), 400 + round(across))):
        left = middle - ink.shape[1] // 2
        place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(place, ink, out=place)
    return cropped(canvas)


def _sized(ink: Ink, height: float) -> Ink:
    """Return the ink scaled to `height`, but at most 140 px wide."""
    scale = height / ink.shape[0]
    size = (max(4, min(140, round(ink.shape[1] * scale))), max(8, round(ink.shape[0] * scale)))
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR))
