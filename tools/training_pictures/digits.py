"""Digits by pen, on displays, and cut out of MNIST's training images; halves of digits and several digits."""

import numpy as np
from numpy.random import Generator
from PIL import Image

from shared.images import Images
from tools.training_pictures.ink import Ink, Points, cropped, smooth, stroke_ink

# Strokes in a box of 100×100, separated by /; a stroke that starts with = has corners instead of curves.
# Nobody else's strokes: `tools/fit_accuracy` and `tools/abstaining` judge with their own.
HAND = {
    0: [
        "50,2 22,18 10,52 24,88 52,99 80,84 92,48 78,14 50,2",
        "60,4 30,10 12,45 20,85 45,98 75,90 90,55 82,18 55,3 48,8",
        "50,2 22,18 10,52 24,88 52,99 80,84 92,48 78,14 50,2 / =86,8 16,94",
    ],
    1: [
        "=50,0 50,100",
        "=56,0 44,100",
        "=22,28 56,2 54,100",
        "=28,20 54,0 52,98 / =26,99 80,98",
        "34,26 46,16 58,2 55,50 54,100",
        "=18,38 60,0 60,100",
    ],
    2: [
        "14,28 22,8 48,1 76,10 84,32 66,56 40,78 10,98 / =10,98 92,97",
        "16,22 44,2 78,14 74,42 46,68 18,88 12,97 30,88 60,94 92,92",
        "12,20 40,3 72,8 80,30 60,58 30,84 16,96 22,82 38,84 64,97 94,90",
        "=14,8 78,6 80,40 16,96 90,96",
    ],
    3: [
        "14,14 42,1 74,12 76,34 46,48 / 46,48 80,56 86,80 56,99 14,88",
        "=16,4 84,3 48,40 / 48,40 78,50 86,74 66,96 36,99 10,86",
        "18,10 52,2 76,22 60,44 38,50 66,52 84,74 62,97 28,98 8,84",
        "=10,4 80,4 / =80,4 80,96 / =80,96 12,97 / =24,48 80,48",
    ],
    4: [
        "=58,2 8,66 94,66 / =70,38 68,100",
        "=22,4 14,56 88,54 / =76,6 72,100",
        "24,2 18,30 12,52 40,58 88,52 / =78,2 72,100",
        "=72,100 72,2 8,68 96,68",
        "=16,0 14,50 80,50 / =80,0 80,100",
    ],
    5: [
        "=82,3 26,4 20,46 / 20,46 52,38 82,56 82,82 52,99 14,90",
        "=24,3 18,48 / 18,48 50,40 80,58 76,88 44,99 10,88 / =24,4 84,2",
        "84,4 50,6 28,4 22,26 20,44 48,40 74,50 84,72 68,94 36,98 12,90",
        "=84,4 16,4 16,48 82,48 82,96 12,96",
    ],
    6: [
        "66,1 38,22 18,56 18,84 44,99 74,90 80,68 58,54 30,62 18,80",
        "76,6 48,8 22,36 14,72 34,97 66,96 82,76 66,56 38,58 16,76",
        "54,0 30,30 16,66 26,94 56,99 78,82 70,62 44,60 22,74",
    ],
    7: [
        "=10,5 90,4 44,100",
        "8,8 46,6 90,4 70,36 52,66 42,100",
        "=10,6 88,5 46,100 / =30,52 78,50",
        "=12,22 14,4 90,5 54,98",
        "8,10 50,6 90,5 66,40 46,99 / =26,54 74,48",
    ],
    8: [
        "76,16 48,1 22,18 34,40 64,56 84,78 54,99 18,84 32,58 66,40 76,16",
        "50,48 26,30 34,6 64,4 76,26 50,48 22,68 22,92 54,99 82,84 76,62 50,48",
        "50,2 76,14 72,38 50,46 28,38 24,14 50,2 / 50,46 82,60 82,88 50,99 18,88 18,60 50,46",
    ],
    9: [
        "80,24 56,2 24,14 20,42 50,56 76,38 80,24 / =81,20 76,100",
        "78,30 60,4 28,8 16,34 38,54 68,44 80,22 / 80,22 80,60 66,90 34,98",
        "82,12 48,2 20,24 32,50 64,46 82,14 76,60 66,99",
        "=80,50 18,50 18,6 80,6 80,96 16,96",
    ],
}
# Strokes of held-out pictures, which no training has seen.
HELD_OUT_HAND = {
    0: [
        "64,4 40,0 16,22 8,58 26,94 56,98 86,74 90,34 70,6 52,4",
        "50,1 14,28 12,72 48,99 86,72 88,28 50,1",
    ],
    1: [
        "=46,0 50,50 52,100",
        "30,18 54,1 50,40 50,100",
        "=36,14 56,0 56,100 / =34,100 78,100",
    ],
    2: [
        "10,22 34,0 70,4 84,26 70,52 30,82 8,99 / 8,99 40,92 94,98",
        "20,14 60,0 82,22 62,54 12,97 50,90 66,100 94,88",
    ],
    3: [
        "12,10 44,0 80,14 70,40 40,47 / 40,47 78,54 88,76 60,98 12,92",
        "=12,3 82,3 42,42 / 42,42 88,58 80,92 44,100 8,84",
    ],
    4: [
        "30,0 20,30 8,62 50,64 94,58 / 66,30 64,60 66,100",
        "=64,0 6,70 90,70 / =64,0 64,100",
    ],
    5: [
        "30,2 24,42 / 24,42 62,38 86,64 70,94 40,100 10,86 / =30,2 88,0",
        "88,2 34,2 22,44 60,42 84,66 60,96 12,94",
    ],
    6: [
        "78,2 40,20 14,60 24,94 60,100 84,78 70,56 40,56 18,74",
        "44,0 24,40 14,76 40,100 76,92 76,62 44,56 20,70",
    ],
    7: [
        "6,14 10,4 50,8 92,2 60,50 50,100",
        "=8,4 92,4 40,100 / =28,48 76,46",
    ],
    8: [
        "82,10 44,0 20,20 50,46 84,72 62,98 24,92 20,68 54,44 82,24 82,10",
        "52,46 22,24 50,0 80,22 52,46 12,76 48,100 86,76 52,46",
    ],
    9: [
        "84,16 50,0 18,22 24,46 56,50 84,24 / 84,16 82,60 84,100",
        "76,20 44,2 18,28 42,52 76,30 76,20 / 76,20 74,70 44,100 18,90",
    ],
}
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
    drawn = []
    for ink in inks:
        scale = height * float(rng.uniform(0.75, 1.1)) / ink.shape[0]
        size = (max(4, min(140, round(ink.shape[1] * scale))), max(8, round(ink.shape[0] * scale)))
        drawn.append(np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR)))
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
    drawn = []
    for ink in (one, other):
        scale = 100 * float(rng.uniform(0.6, 1.2)) / ink.shape[0]
        size = (max(4, min(140, round(ink.shape[1] * scale))), max(8, round(ink.shape[0] * scale)))
        drawn.append(np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR)))
    upper, lower = drawn
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
