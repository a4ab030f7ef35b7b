"""The fonts of the pictures for training. `tools/abstaining` judges with other fonts."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from tools.training_pictures.ink import Ink, from_image

# Open fonts, each a Python package that names its folder in `font_directory`.
PACKAGES = ("font_source_sans_pro", "font_source_serif_pro", "font_caladea", "font_manrope", "font_hanken_grotesk")
# Open fonts of the packages `@fontsource/NAME`, in the folder that the command gets as `--fonts`.
HANDWRITING = (
    *("caveat", "indie-flower", "patrick-hand", "permanent-marker", "gochi-hand", "handlee", "shadows-into-light"),
    *("architects-daughter", "rock-salt", "schoolbell", "neucha", "dancing-script", "covered-by-your-grace", "gaegu"),
)
TYPE = (
    *("open-sans", "lora", "oswald", "courier-prime", "ubuntu", "arvo", "bebas-neue", "vt323", "share-tech-mono"),
    *("inconsolata", "orbitron"),
)
HELD_OUT = 7  # one font of seven is used for held-out pictures only
GLYPH_PX = 96


@cache
def font_files(folder: Path | None, held_out: bool) -> tuple[list[Path], list[Path]]:
    """Return the files of type and of handwriting. `held_out` chooses those that no training uses."""
    type_files = [file for name in PACKAGES for file in _styles(Path(import_module(name).font_directory))]
    hand_files: list[Path] = []
    if folder is not None:
        type_files += _web_fonts(folder, TYPE)
        hand_files = _web_fonts(folder, HANDWRITING)
    return _part(type_files, held_out), _part(hand_files or type_files, held_out)


def _part(files: Sequence[Path], held_out: bool) -> list[Path]:
    return [file for index, file in enumerate(files) if (index % HELD_OUT == HELD_OUT - 1) == held_out]


def _styles(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in (".otf", ".ttf"))
    return list({file.stem: file for file in files}.values())  # one file of a style that comes in both formats


def _web_fonts(folder: Path, names: Sequence[str]) -> list[Path]:
    return [file for name in names for file in sorted(folder.glob(f"{name}/files/{name}-latin-[0-9]*-normal.woff2"))]


def text_ink(text: str, file: Path, rng: Generator) -> Ink:
    """Return the ink of a text, about GLYPH_PX high, turned a little and sometimes bolder."""
    font = _font(file)
    left, top, right, bottom = font.getbbox(text)
    pad = GLYPH_PX // 2
    canvas = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad))
    bold = int(rng.choice((0, 0, 0, 1, 2, 4)))
    ImageDraw.Draw(canvas).text((pad - left, pad - top), text, fill=255, font=font, stroke_width=bold)
    turn = float(np.clip(rng.normal(0, 6), -14, 14))
    return from_image(canvas.rotate(turn, Image.Resampling.BILINEAR, expand=True))


@cache
def _font(file: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, GLYPH_PX)
