"""Digits that the project draws itself, in handwriting or type."""

from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from shared.images import Images
from shared.shapes import CLASSES, IMAGE_SIDE

Point = tuple[float, float]
Hand = Literal["written", "set in type"]

GLYPH_PX = 400  # size of a digit before it is placed in a picture
MAX_ROTATION_DEG = 10.0
# Printed digits in 28×28, in a typeface that no model was trained on.
PRINTED_SEED, PRINTED_IMAGES, PRINTED_PX, PRINTED_SHIFT_PX = 2, 200, 24, 2
OVERSAMPLING = 4
PENS = (0.025, 0.05, 0.08, 0.12)  # widths of a stroke, as fractions of the height

# Strokes of each digit in a box of 100×100, as people write them; one of several ways is chosen at random.
WRITTEN = {
    0: ["52,0 15,12 5,50 18,92 50,100 85,85 95,50 82,10 50,0"],
    1: [
        "50,0 50,50 48,100",
        "32,20 45,10 56,0 / 56,0 54,50 52,100",
    ],
    2: ["10,25 30,3 65,0 85,22 70,50 35,80 8,100 / 8,100 50,97 95,98"],
    3: ["12,12 40,0 75,5 82,25 65,42 40,47 / 40,47 75,53 88,75 70,95 40,100 10,90"],
    4: ["30,0 18,30 8,55 / 8,55 50,55 92,53 / 70,5 68,50 66,100"],
    5: ["85,2 55,2 25,3 / 25,3 20,22 16,43 / 16,43 45,36 78,48 86,72 65,96 35,100 8,92"],
    6: ["70,0 40,18 18,50 13,78 30,98 60,100 82,82 75,60 50,52 25,62 14,80"],
    7: ["8,4 50,4 90,2 / 90,2 68,40 50,70 38,100"],
    8: ["78,15 50,0 22,14 30,36 55,50 80,68 76,92 48,100 20,90 20,68 45,50 70,36 78,15"],
    9: ["82,25 60,2 28,8 15,30 35,50 65,45 82,25 / 82,25 78,60 68,100"],
}


def parse_strokes(text: str) -> list[list[Point]]:
    """Return the strokes of a text as in WRITTEN, in a box of 1×1."""
    strokes = (stroke.split() for stroke in text.split("/"))
    return [[(int(x) / 100, int(y) / 100) for x, y in (point.split(",") for point in stroke)] for stroke in strokes]


def draw_digit(digit: int, hand: Hand, random: Random, pen: float | None = None) -> Image.Image:
    """Return ink as L (255 for ink), in the middle of a canvas with room for a rotation.

    `pen` is the width of a written stroke as a fraction of the height, None for one chosen at random.
    """
    side = GLYPH_PX * 2
    canvas = Image.new("L", (side, side))
    if hand == "set in type":
        font = ImageFont.load_default(size=GLYPH_PX * 1.3)
        ImageDraw.Draw(canvas).text(
            (side / 2, side / 2),
            str(digit),
            fill=255,
            font=font,
            anchor="mm",
            stroke_width=random.choice((0, 8, 16, 24)),
        )
    else:
        _write(ImageDraw.Draw(canvas), WRITTEN[digit], random, pen)
    return canvas.rotate(random.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG), resample=Image.Resampling.BICUBIC)


def printed_images() -> tuple[Images, npt.NDArray[np.uint8]]:
    """Return 20 printed images of each digit: uint8[200,28,28], and labels uint8[200]. Row i shows digit i % 10."""
    random = Random(PRINTED_SEED)
    labels = (np.arange(PRINTED_IMAGES) % CLASSES).astype(np.uint8)
    return np.stack([_print_digit(int(label), random) for label in labels]), labels


def _print_digit(digit: int, random: Random) -> npt.NDArray[np.uint8]:
    side, max_shift = IMAGE_SIDE * OVERSAMPLING, PRINTED_SHIFT_PX * OVERSAMPLING
    font = ImageFont.load_default(size=PRINTED_PX * OVERSAMPLING * random.uniform(0.85, 1.1))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text(
        (side / 2, side / 2), str(digit), fill=255, font=font, anchor="mm", stroke_width=random.choice((1, 2, 3))
    )
    drawn = canvas.rotate(
        random.uniform(-12, 12),
        resample=Image.Resampling.BILINEAR,
        translate=(random.randint(-max_shift, max_shift), random.randint(-max_shift, max_shift)),
    )
    return np.asarray(drawn.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BOX), np.uint8)


def _write(draw: ImageDraw.ImageDraw, ways: list[str], random: Random, pen: float | None) -> None:
    """Write a digit in one of several `ways`, with random slant and proportions, and an unsteady hand."""
    strokes = parse_strokes(random.choice(ways))
    width = GLYPH_PX * random.uniform(0.45, 0.8)
    slant = random.uniform(-0.1, 0.25)
    pen_px = GLYPH_PX * (random.choice(PENS) if pen is None else pen)
    shaken: dict[Point, Point] = {}
    for x, y in (point for stroke in strokes for point in stroke):
        shaken.setdefault((x, y), (x + random.gauss(0, 0.018), y + random.gauss(0, 0.018)))
    for stroke in strokes:
        curve = _smooth([shaken[point] for point in stroke])
        placed = [
            (GLYPH_PX + (x - 0.5) * width + slant * (0.5 - y) * GLYPH_PX, GLYPH_PX + (y - 0.5) * GLYPH_PX)
            for x, y in curve
        ]
        draw.line(placed, fill=255, width=round(pen_px), joint="curve")
        for x, y in (*placed[:: max(1, len(placed) // 40)], placed[-1]):
            draw.ellipse((x - pen_px / 2, y - pen_px / 2, x + pen_px / 2, y + pen_px / 2), fill=255)


def _smooth(points: list[Point]) -> list[Point]:
    """Return a Catmull-Rom curve through the points, closed if the points are."""
    closed = points[0] == points[-1]
    around = [points[-2] if closed else points[0], *points, points[1] if closed else points[-1]]
    curve: list[Point] = []
    for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
        for step in range(24):
            t = step / 24
            curve.append(
                tuple(  # type: ignore[arg-type]
                    0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)
                    for p, q, r, s in zip(a, b, c, d, strict=True)
                )
            )
    return [*curve, points[-1]]
