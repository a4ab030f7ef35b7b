"""A small dataset of drawn digits that replaces MNIST if it is not available."""

from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from shared.images import CLASSES, IMAGE_SIDE, Images

IMAGES_PER_DIGIT = {"train": 40, "test": 20}
SEEDS = {"train": 1, "test": 2}

OVERSAMPLING = 4  # scaling down from four times the size gives soft edges like those of MNIST
GLYPH_PX = 24  # font size; digits are three quarters as high, and those of MNIST up to 20 px
MAX_ROTATION_DEG = 12.0
MAX_SHIFT_PX = 2


def draw(which: Literal["train", "test"]) -> tuple[Images, npt.NDArray[np.uint8]]:
    """Draw (images uint8[N,28,28], labels uint8[N]), 40 of each digit for training or 20 for testing.

    Row i shows the digit i % 10. The pixels depend only on the version of Pillow.
    """
    random = Random(SEEDS[which])  # noqa: S311, repeatable and not secret
    labels = (np.arange(IMAGES_PER_DIGIT[which] * CLASSES) % CLASSES).astype(np.uint8)
    return np.stack([_draw_digit(int(label), random) for label in labels]), labels


def _draw_digit(digit: int, random: Random) -> npt.NDArray[np.uint8]:
    side = IMAGE_SIDE * OVERSAMPLING
    max_shift = MAX_SHIFT_PX * OVERSAMPLING
    font = ImageFont.load_default(size=GLYPH_PX * OVERSAMPLING * random.uniform(0.85, 1.1))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text(
        (side / 2, side / 2), str(digit), fill=255, font=font, anchor="mm", stroke_width=random.choice((1, 2, 3))
    )
    drawn = canvas.rotate(
        random.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG),
        resample=Image.Resampling.BILINEAR,
        translate=(random.randint(-max_shift, max_shift), random.randint(-max_shift, max_shift)),
    )
    return np.asarray(drawn.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BOX), np.uint8)
