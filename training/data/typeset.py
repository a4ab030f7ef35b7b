"""Typeset digits for training, in addition to handwriting: scans and forms contain them, MNIST does not."""

from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from shared.images import Images
from shared.shapes import CLASSES, IMAGE_SIDE

# Open fonts, each a Python package that names its folder in `font_directory`. Pillow's own font is left out:
# `tools/fit_accuracy` uses it to measure the accuracy on a typeface that was never trained on.
FONTS = ("font_source_sans_pro", "font_source_serif_pro", "font_caladea", "font_manrope", "font_hanken_grotesk")
GLYPH_PX = 240  # size at which a digit is drawn before it is reduced to MNIST's size
BOX_PX = 20  # MNIST digits fit a box of 20×20 pixels and are centred by their mass


def draw(count: int, seed: int) -> tuple[Images, npt.NDArray[np.uint8]]:
    """Return images uint8[count,28,28], white on black, and labels uint8[count]. Row i shows digit i % 10."""
    random = Random(seed)  # noqa: S311, must be repeatable, not secret
    files = font_files()
    labels = (np.arange(count) % CLASSES).astype(np.uint8)
    return np.stack([_render(str(label), random.choice(files)) for label in labels]), labels


def font_files() -> list[Path]:
    """Return the files of all styles of all fonts, always in the same order."""
    folders = [Path(import_module(font).font_directory) for font in FONTS]
    files = [sorted(file for file in folder.iterdir() if file.suffix in (".otf", ".ttf")) for folder in folders]
    # Keep one file of a style that comes in both formats.
    return [file for each in files for file in {file.stem: file for file in each}.values()]


@cache
def _render(digit: str, file: Path) -> npt.NDArray[np.uint8]:
    font = ImageFont.truetype(file, GLYPH_PX)
    canvas = Image.new("L", (2 * GLYPH_PX, 2 * GLYPH_PX))
    ImageDraw.Draw(canvas).text((GLYPH_PX, GLYPH_PX), digit, fill=255, font=font, anchor="mm")
    return centre_in_box(canvas)


def centre_in_box(canvas: Image.Image) -> npt.NDArray[np.uint8]:
    """Return uint8[28,28] with the ink of a grey image in the size and position of MNIST's digits."""
    glyph = canvas.crop(canvas.getbbox())
    scale = BOX_PX / max(glyph.size)
    width, height = (max(1, round(side * scale)) for side in glyph.size)
    glyph = glyph.resize((width, height), Image.Resampling.BOX)
    ink = np.asarray(glyph, np.float64)
    left = round(IMAGE_SIDE / 2 - float(ink.sum(0) @ np.arange(glyph.width)) / ink.sum())
    top = round(IMAGE_SIDE / 2 - float(ink.sum(1) @ np.arange(glyph.height)) / ink.sum())
    image = Image.new("L", (IMAGE_SIDE, IMAGE_SIDE))
    image.paste(glyph, (left, top))
    return np.asarray(image, np.uint8)
