"""Images that show no digit, for versions with an acceptance rule. Training draws its own with other fonts."""

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.images import Images
from shared.shapes import IMAGE_SIDE
from training.data.typeset import centre_in_box

# People take these letters for digits, too.
LIKE_DIGITS = "BDGIOQSZbgiloqsz"
SYMBOLS = "?!&%#@+=*$€§<>{}"
GLYPH_PX = 120
SEED = 21
NOISY = 20
OVERSAMPLING = 4


def draw() -> Images:
    """Return uint8[N,28,28]: letters and symbols of Pillow's font, rings, discs, bars, noise, and blank sheets."""
    letters = [letter for letter in string.ascii_letters if letter not in LIKE_DIGITS]
    return np.stack([*map(_glyph, [*letters, *SYMBOLS]), *_shapes(), *_sheets()])


def _glyph(text: str) -> Images:
    canvas = Image.new("L", (2 * GLYPH_PX, 2 * GLYPH_PX))
    font = ImageFont.load_default(GLYPH_PX)
    ImageDraw.Draw(canvas).text((GLYPH_PX, GLYPH_PX), text, fill=255, font=font, anchor="mm")
    return centre_in_box(canvas)


def _shapes() -> list[Images]:
    """Draw rings and discs of different sizes, and bars that cross."""
    images = []
    side, middle = IMAGE_SIDE * OVERSAMPLING, IMAGE_SIDE * OVERSAMPLING // 2
    for radius in (24, 36, 44, 52):
        box = (middle - radius, middle - radius, middle + radius, middle + radius)
        disc, bars = Image.new("L", (side, side)), Image.new("L", (side, side))
        ImageDraw.Draw(disc).ellipse(box, fill=255)
        pen = ImageDraw.Draw(bars)
        for at in range(middle - radius, middle + radius + 1, radius):
            pen.line((middle - radius, at, middle + radius, at), fill=255, width=8)
            pen.line((at, middle - radius, at, middle + radius), fill=255, width=8)
        images += [disc, bars]
    return [np.asarray(image.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BOX), np.uint8) for image in images]


def _sheets() -> list[Images]:
    """Return noise of different strengths, and sheets of one grey."""
    random = np.random.default_rng(SEED)
    noisy = [random.integers(0, 256 * (number + 1) // NOISY, (IMAGE_SIDE, IMAGE_SIDE)) for number in range(NOISY)]
    blank = [np.full((IMAGE_SIDE, IMAGE_SIDE), grey) for grey in (0, 60, 128, 255)]
    return [sheet.astype(np.uint8) for sheet in (*noisy, *blank)]
