"""The hands that write numbers. Those that the parameters were fitted with and those that judge them are disjoint."""

import os
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from tools.fit_accuracy.number_pictures import Hand
from tools.fit_accuracy.rendered import PENS, draw_digit
from training.data.typeset import font_files

TYPE_PX = 160
MNIST_SCALE = 6
SHARPNESS = 2.5  # contrast at the edges of enlarged MNIST images


def judging_hand(random: Random) -> Hand:
    """Return the hand of one number: MNIST's test images, written strokes, or Pillow's own font."""
    draw = random.random()
    if draw < 0.4 and (split := _mnist("test")):
        return _mnist_hand(split, random)
    if draw < 0.8:
        pen = random.choice(PENS)
        return lambda digit: cropped(draw_digit(digit, "written", random, pen))
    return _typed(None, random)


def fitting_hand(random: Random) -> Hand:
    """Return the hand of one number: MNIST's training images, or the fonts that the model was trained with."""
    if random.random() < 0.75 and (split := _mnist("train")):
        return _mnist_hand(split, random)
    return _typed(random.choice(font_files()), random)


def cropped(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.crop(image.getbbox()), np.uint8)


_splits: dict[str, Split | None] = {}


def _mnist(name: str) -> Split | None:
    if name not in _splits:
        folder = find_mnist_dir(load_settings(os.environ).mnist_dir, name)  # type: ignore[arg-type]
        _splits[name] = load_split(name, folder) if folder else None  # type: ignore[arg-type]
    return _splits[name]


def _mnist_hand(split: Split, random: Random) -> Hand:
    """Return a hand that writes with one stroke width: images whose amount of ink is similar."""

    def draw(digit: int) -> npt.NDArray[np.uint8]:
        rows = np.flatnonzero(split.labels == digit)
        image = split.images[int(rows[random.randrange(len(rows))])]
        large = Image.fromarray(image).resize((28 * MNIST_SCALE,) * 2, Image.Resampling.BICUBIC)
        sharp = np.clip((np.asarray(large, np.float32) - 128) * SHARPNESS + 128, 0, 255).astype(np.uint8)
        return cropped(Image.fromarray(sharp))

    return draw


def _typed(file: Path | None, random: Random) -> Hand:
    font = ImageFont.load_default(TYPE_PX) if file is None else ImageFont.truetype(file, TYPE_PX)
    bold_px = random.choice((0, 0, 3, 6))

    def draw(digit: int) -> npt.NDArray[np.uint8]:
        canvas = Image.new("L", (2 * TYPE_PX, 2 * TYPE_PX))
        pen = ImageDraw.Draw(canvas)
        pen.text((TYPE_PX, TYPE_PX), str(digit), fill=255, font=font, anchor="mm", stroke_width=bold_px)
        return cropped(canvas)

    return draw
