"""Digits set in type, to train on beside handwriting: scans and forms have them, MNIST has none."""

from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from shared.images import CLASSES, IMAGE_SIDE, Images

# Open fonts, each a package of the registry with its files in `font_directory`. Pillow's own is not among them: the
# project's drawn digits are set in it, and are to tell how well type is read that was never seen.
FONTS = ("font_source_sans_pro", "font_source_serif_pro", "font_caladea", "font_manrope", "font_hanken_grotesk")
GLYPH_PX = 240  # a digit is drawn so large before it is brought to MNIST's size
BOX_PX = 20  # as MNIST's page has it: in a box of 20×20, centred by its mass


def draw(count: int, seed: int) -> tuple[Images, npt.NDArray[np.uint8]]:
    """Draw (images uint8[count,28,28], labels uint8[count]), white on black; row i shows digit i % 10."""
    random = Random(seed)  # noqa: S311, nothing secret: it has to repeat
    files = font_files()
    labels = (np.arange(count) % CLASSES).astype(np.uint8)
    return np.stack([_set(str(label), random.choice(files)) for label in labels]), labels


def font_files() -> list[Path]:
    """Every style of every font, always in the same order."""
    folders = [Path(import_module(font).font_directory) for font in FONTS]
    files = [sorted(file for file in folder.iterdir() if file.suffix in (".otf", ".ttf")) for folder in folders]
    return [file for each in files for file in {file.stem: file for file in each}.values()]  # some come as both


@cache
def _set(digit: str, file: Path) -> npt.NDArray[np.uint8]:
    font = ImageFont.truetype(file, GLYPH_PX)
    canvas = Image.new("L", (2 * GLYPH_PX, 2 * GLYPH_PX))
    ImageDraw.Draw(canvas).text((GLYPH_PX, GLYPH_PX), digit, fill=255, font=font, anchor="mm")
    glyph = canvas.crop(canvas.getbbox())
    scale = BOX_PX / max(glyph.size)
    glyph = glyph.resize((max(1, round(glyph.width * scale)), BOX_PX), Image.Resampling.BOX)
    ink = np.asarray(glyph, np.float64)
    left = round(IMAGE_SIDE / 2 - float(ink.sum(0) @ np.arange(glyph.width)) / ink.sum())
    top = round(IMAGE_SIDE / 2 - float(ink.sum(1) @ np.arange(glyph.height)) / ink.sum())
    image = Image.new("L", (IMAGE_SIDE, IMAGE_SIDE))
    image.paste(glyph, (left, top))
    return np.asarray(image, np.uint8)
