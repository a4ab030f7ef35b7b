"""Rows of signs on paper, for the strips that the network for numbers is trained on.

The layouts of `tools/fit_accuracy/number_pictures.py`, which judges, are others.
"""

import io
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageFilter

from api.images.fit.ink import extreme_of, ink_of
from api.images.fit.rules import without_rules
from api.images.number.line import InkLine, line_in
from tools.training_pictures.ink import Ink
from tools.training_pictures.sheets import photographed

# Sizes are fractions of the height of the digits, unless stated otherwise.
ON_SHEETS = ("in cells", "on lines", "photographed")
DIGIT_PX = (30, 56)
SHEET_DIGIT_PX = (36, 84)
Kind = Literal["spaced", "touching", "leaning", "in cells", "on lines", "photographed"]
ALSO_TOUCHING, ALSO_LEANING = 0.12, 0.25  # shares of the rows of other kinds
AS_JPEG = 0.5  # share of the photographs
MAX_CONTACT = 0.25  # rows in which touching signs overlap
MAX_RESIDUE = 4.0  # area of what is no digit and was not removed, such as sides of boxes, times the height
MIN_LEFT = 0.72  # part of each sign's ink that has to be found
CERTAIN = 0.5  # ink
DRAWN_THRESHOLD = 0.4  # above which the ink of a drawing is certain
MARGIN_PX = 16  # around a drawing

Owners = npt.NDArray[np.uint8]
Pixel = TypeVar("Pixel", np.float32, np.uint8)


class Row(NamedTuple):
    """Ink float32[H,W], and uint8[H,W]: 0, or whose ink it is by its position from 1. `digit_px` is their height."""

    ink: Ink
    owners: Owners
    digit_px: int


def line_of_row(glyphs: Sequence[Ink], kind: Kind, rng: Generator) -> InkLine | None:
    """Return the line of signs as it is found in a drawing or on a sheet. None if it is found incompletely.

    Raises BadImage if nothing is found.
    """
    sheet = kind in ON_SHEETS
    digit_px = int(rng.integers(*(SHEET_DIGIT_PX if sheet else DIGIT_PX)))
    sized = [_sized(each, digit_px * float(rng.uniform(0.84, 1.12))) for each in glyphs]
    if kind == "in cells":
        row = _in_cells(sized, digit_px, rng)
    else:
        row = _written(sized, digit_px, kind == "touching" or rng.random() < ALSO_TOUCHING, rng)
        if kind == "leaning" or rng.random() < ALSO_LEANING:
            row = _leaning(row, rng)
    if sheet:
        row = _on_paper(row, kind == "on lines", rng)
        ink, threshold = ink_of(_filed(photographed(row.ink, rng), rng))
        ink = without_rules(ink, threshold)
    else:
        row = Row(np.pad(row.ink, MARGIN_PX), np.pad(row.owners, MARGIN_PX), digit_px)
        ink, threshold = _drawn(row.ink, rng), DRAWN_THRESHOLD
    line = line_in(ink, threshold)
    return line if is_whole(line, row, len(glyphs)) else None


def _sized(glyph: Ink, height: float) -> Ink:
    scale = height / glyph.shape[0]
    size = (max(2, min(round(3 * height), round(glyph.shape[1] * scale))), max(6, round(height)))
    return np.asarray(
        Image.fromarray(glyph).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    )


def _written(glyphs: Sequence[Ink], digit_px: int, touching: bool, rng: Generator) -> Row:
    """Write signs behind each other. Gaps are those between the ink in the rows that two signs share."""
    height = 2 * digit_px
    row = _empty(height, sum(each.shape[1] for each in glyphs) + (len(glyphs) + 1) * digit_px, digit_px)
    rights = np.full(height, -np.inf)
    gap_px, unsteady_px = float(rng.uniform(0.02, 0.5)) * digit_px, float(rng.uniform(0, 0.09)) * digit_px
    last = 0
    for position, glyph in enumerate(glyphs, 1):
        top = round(1.5 * digit_px - glyph.shape[0] + float(rng.normal(0, unsteady_px)))
        top = min(max(top, 0), height - glyph.shape[0])
        rows = slice(top, top + glyph.shape[0])
        certain = glyph > CERTAIN
        inked = certain.any(1)
        lefts = np.where(inked, certain.argmax(1), np.inf)
        nearest = rights[rows] - lefts
        closest = float(nearest[np.isfinite(nearest)].max(initial=last - glyph.shape[1] / 3))
        gap = gap_px * float(rng.uniform(0.6, 1.4))
        if touching and rng.random() < 0.65:
            gap = float(rng.uniform(-0.07, 0.04)) * digit_px
            if np.mean(nearest > closest + gap) > MAX_CONTACT:
                gap = 0.03 * digit_px
        left = max(round(closest + gap), last - glyph.shape[1] // 4, 0)
        _put(row, glyph, top, left, position)
        rights[rows] = np.where(
            inked, np.maximum(rights[rows], left + glyph.shape[1] - certain[:, ::-1].argmax(1)), rights[rows]
        )
        last = max(last, left + glyph.shape[1])
    return _cropped(row)


def _in_cells(glyphs: Sequence[Ink], digit_px: int, rng: Generator) -> Row:
    """Write each sign into a cell of a form: boxes next to each other or apart, or a row without inner lines."""
    cell = max(round(float(rng.uniform(1.0, 1.5)) * digit_px), max(each.shape[1] for each in glyphs) + 6)
    height = round(float(rng.uniform(1.2, 1.8)) * digit_px)
    apart = 0 if rng.random() < 0.6 else round(float(rng.uniform(0.06, 0.35)) * digit_px)
    thick = max(1, round(float(rng.uniform(0.012, 0.04)) * digit_px))
    dark, whole = float(rng.uniform(0.5, 1)), rng.random() < 0.15
    row = _empty(height + 2 * thick, len(glyphs) * (cell + apart) + 2 * thick, digit_px)
    for position, glyph in enumerate(glyphs, 1):
        begin = (position - 1) * (cell + apart)
        end = begin + cell + thick
        row.ink[:thick, begin:end] = row.ink[height : height + thick, begin:end] = dark
        if not whole or position == 1:
            row.ink[: height + thick, begin : begin + thick] = dark
        if not whole or position == len(glyphs):
            row.ink[: height + thick, end - thick : end] = dark
        free_y, free_x = height - glyph.shape[0], cell - glyph.shape[1]
        top = round(free_y * float(rng.uniform(0.2, 0.8)))
        _put(row, glyph, max(top, 0), begin + round(free_x * float(rng.uniform(0.25, 0.75))), position)
    return row


def _on_paper(row: Row, lined: bool, rng: Generator) -> Row:
    """Put a row on a larger sheet, which is ruled or squared if `lined`, and else sometimes has an underline."""
    height, width = row.ink.shape
    above, below, before, after = (round(float(each) * row.digit_px) for each in rng.uniform(0.3, 1.3, 4))
    sheet = _empty(height + above + below, width + before + after, row.digit_px)
    thick, dark = max(1, round(float(rng.uniform(0.01, 0.03)) * row.digit_px)), float(rng.uniform(0.2, 0.6))
    if lined:
        squared = rng.random() < 0.45
        step = round(row.digit_px * float(rng.uniform(0.4, 1.2) if squared else rng.uniform(1.2, 2)))
        start = (above + height + round(float(rng.uniform(-0.08, 0.15)) * row.digit_px)) % step
        for offset in range(thick):
            sheet.ink[start + offset :: step] = dark
        if squared:
            column = int(rng.integers(step))
            for offset in range(thick):
                sheet.ink[:, column + offset :: step] = dark
    elif rng.random() < 0.1:
        line = min(above + height + round(0.1 * row.digit_px), sheet.ink.shape[0] - thick)
        sheet.ink[line : line + thick, max(0, before - 8) : before + width + 8] = 1
    area = (slice(above, above + height), slice(before, before + width))
    np.maximum(sheet.ink[area], row.ink, out=sheet.ink[area])
    sheet.owners[area] = row.owners
    return sheet


def _leaning(row: Row, rng: Generator) -> Row:
    """Lean the signs, and let the row rise or fall."""
    lean, turn = float(rng.uniform(-0.3, 0.5)), float(rng.normal(0, 3.5))
    ink = _leant(row.ink, lean, turn, Image.Resampling.BILINEAR)
    return _cropped(Row(ink, _leant(row.owners, lean, turn, Image.Resampling.NEAREST), row.digit_px))


def _leant(values: npt.NDArray[Pixel], lean: float, turn: float, way: Image.Resampling) -> npt.NDArray[Pixel]:
    side = len(values) // 2 + 1
    image = Image.fromarray(np.pad(values, ((0, 0), (side, side))))
    sheared = image.transform(image.size, Image.Transform.AFFINE, (1, lean, -lean * len(values) / 2, 0, 1, 0), way)
    return np.array(sheared.rotate(turn, way, expand=True), values.dtype)


def _filed(grey: Ink, rng: Generator) -> Ink:
    """Return a photograph as the file of a camera has it, half of the time with the traces of JPEG."""
    image = Image.fromarray(np.uint8(grey))
    if rng.random() < AS_JPEG:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(40, 96)))
        image = Image.open(file)
    return np.asarray(image, np.float32)


def _drawn(ink: Ink, rng: Generator) -> Ink:
    """Return clean ink, half of the time a little blurred."""
    image = Image.fromarray(np.uint8(np.clip(ink, 0, 1) * 255))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1))))
    return np.asarray(image, np.float32) / np.float32(255)


def is_whole(line: InkLine, row: Row, count: int) -> bool:
    """Return whether the line has nearly all ink of each sign, and little else."""
    height, width = line.groups.shape
    rows = np.arange(line.top, line.top + height)
    columns = line.lefts[:, None] + np.arange(width)[None, :]
    inside = (columns >= 0) & (columns < row.owners.shape[1])
    found = np.zeros(row.owners.shape, np.bool_)
    mask = (line.groups > 0) & inside
    y, x = np.nonzero(mask)
    found[rows[y], columns[y, x]] = True
    all_px = np.bincount(row.owners.ravel(), minlength=count + 1)[1 : count + 1]
    found_px = np.bincount(row.owners[found], minlength=count + 1)[1 : count + 1]
    near = extreme_of((row.owners > 0).astype(np.float32), 5, np.maximum)
    residue = int((found & (near == 0)).sum())
    return bool((found_px >= MIN_LEFT * all_px).all()) and residue <= MAX_RESIDUE * row.digit_px


def _empty(height: int, width: int, digit_px: int) -> Row:
    return Row(np.zeros((height, width), np.float32), np.zeros((height, width), np.uint8), digit_px)


def _put(row: Row, glyph: Ink, top: int, left: int, owner: int) -> None:
    area = (slice(top, top + glyph.shape[0]), slice(left, left + glyph.shape[1]))
    ink = row.ink[area]
    glyph = glyph[: ink.shape[0], : ink.shape[1]]
    np.maximum(ink, glyph, out=ink)
    row.owners[area][glyph > CERTAIN] = owner


def _cropped(row: Row) -> Row:
    rows, columns = np.flatnonzero((row.ink > 0.1).any(1)), np.flatnonzero((row.ink > 0.1).any(0))
    area = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return Row(row.ink[area], row.owners[area], row.digit_px)
