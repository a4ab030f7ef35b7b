"""Pictures of numbers that the project draws itself: spaced, touching, in boxes, on lines, slanted, photographed."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from tools.fit_accuracy.papers import Grey, image_file

Pixel = TypeVar("Pixel", np.float32, np.uint8)
Owners = npt.NDArray[np.uint8]
NumberKind = Literal["spaced", "touching", "boxed", "lined", "slanted", "photographed"]
NUMBER_KINDS: tuple[NumberKind, ...] = ("spaced", "touching", "boxed", "lined", "slanted", "photographed")
# Draws one digit (0 to 9) as ink: uint8[H,W] without margins, 255 for ink. All digits of a number come from one hand.
# A hand may draw other signs too, for numbers from 10 on.
Hand = Callable[[int], npt.NDArray[np.uint8]]

MIN_DIGITS, MAX_DIGITS = 2, 6
DIGIT_PX = 150  # height of a digit before the number is placed in a picture
MAX_CONTACT = 0.25  # fraction of a digit's height
MIN_GAP = 0.05
SIZES = ((640, 480), (480, 640), (900, 300), (1200, 900), (320, 200), (400, 160), (1600, 1200))
PAPERS = ("scan", "drawing", "scan", "board", "photo")


def random_number(random: Random) -> str:
    return "".join(str(random.randrange(10)) for _ in range(random.randint(MIN_DIGITS, MAX_DIGITS)))


class NumberPicture(NamedTuple):
    """An image file of the number `text`.

    `owners` is uint8[H,W], the digit of each pixel by its position from 1, and 0 for paper. It is None for a photo.
    """

    text: str
    kind: NumberKind
    file: bytes
    owners: Owners | None


class Page(NamedTuple):
    """Ink float32[H,W] from 0 to 1, and the owner of each pixel: 0, or the position of its digit from 1."""

    ink: Grey
    owners: Owners


def number_picture(text: str, kind: NumberKind, hand: Hand, random: Random) -> NumberPicture:
    """Draw the number `text`."""
    page = placed(page_of([int(digit) for digit in text], kind, hand, random), kind == "lined", random)
    paper = "photo" if kind == "photographed" else random.choice(PAPERS)
    owners = None if paper == "photo" else page.owners
    return NumberPicture(text, kind, image_file(page.ink, paper, random), owners)


def page_of(signs: Sequence[int], kind: NumberKind, hand: Hand, random: Random) -> Page:
    """Return the signs of a hand in a row, without any paper."""
    page = _boxed(signs, hand, random) if kind == "boxed" else _written(signs, hand, kind, random)
    return _slanted(page, random) if kind == "slanted" else page


def _glyph(digit: int, hand: Hand, random: Random) -> Grey:
    """Return a digit of about DIGIT_PX in height: float32[H,W], 0 to 1."""
    image = Image.fromarray(hand(digit))
    scale = DIGIT_PX * random.uniform(0.9, 1.1) / image.height
    size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    drawn: Grey = np.asarray(image.resize(size, Image.Resampling.LANCZOS), np.float32) / np.float32(255)
    return drawn


def _empty(height: int, width: int) -> Page:
    return Page(np.zeros((height, width), np.float32), np.zeros((height, width), np.uint8))


def _write(page: Page, glyph: Grey, top: int, left: int, owner: int) -> None:
    area = (slice(top, top + glyph.shape[0]), slice(left, left + glyph.shape[1]))
    ink = page.ink[area]
    glyph = glyph[: ink.shape[0], : ink.shape[1]]
    np.maximum(ink, glyph, out=ink)
    page.owners[area][glyph > 0.5] = owner


def _written(signs: Sequence[int], hand: Hand, kind: NumberKind, random: Random) -> Page:
    """Write the digits next to each other. Their gaps are measured where they come closest."""
    spacing = random.uniform(0.1, 0.45) * DIGIT_PX
    touch = random.randrange(max(1, len(signs) - 1))
    page = _empty(3 * DIGIT_PX, (len(signs) + 1) * 2 * DIGIT_PX)
    for index, sign in enumerate(signs):
        glyph = _glyph(sign, hand, random)
        top = 2 * DIGIT_PX - len(glyph) + round(random.uniform(-0.05, 0.05) * DIGIT_PX)
        left = 20
        if index:
            touching = kind == "touching" and (index - 1 == touch or random.random() < 0.4)
            gap = -random.uniform(0.0, 0.03) * DIGIT_PX if touching else spacing * random.uniform(0.7, 1.3)
            left = _next_left(page.ink, glyph, top, gap)
            if touching and _contact(page.ink, glyph, top, left) > MAX_CONTACT:  # nobody could tell them apart
                left = _next_left(page.ink, glyph, top, MIN_GAP * DIGIT_PX)
        _write(page, glyph, top, left, index + 1)
    return _cropped(page)


def _next_left(page: Grey, glyph: Grey, top: int, gap: float) -> int:
    """Return where the glyph begins so that `gap` pixels are between its ink and the ink on the page."""
    written = page[top : top + len(glyph)] > 0.5
    rights = np.where(written.any(1), page.shape[1] - np.argmax(written[:, ::-1], 1), 0)
    lefts = np.where((glyph > 0.5).any(1), np.argmax(glyph > 0.5, 1), 10**6)
    last = int(np.flatnonzero((page > 0.5).any(0))[-1])
    fitting = int(np.max(np.where(rights > 0, rights - lefts, 0)) + round(gap))
    return max(fitting, last - int(glyph.shape[1]) // 5)


def _contact(page: Grey, glyph: Grey, top: int, left: int) -> float:
    """Return in how many rows the glyph would touch the ink on the page, as a fraction of its height."""
    part = page[top : top + glyph.shape[0], left : left + glyph.shape[1]]
    return float(((part > 0.5) & (glyph > 0.5)).any(1).mean())


def _boxed(signs: Sequence[int], hand: Hand, random: Random) -> Page:
    """Draw a form with one cell per digit, next to each other or apart."""
    width, height = round(random.uniform(1.05, 1.4) * DIGIT_PX), round(random.uniform(1.25, 1.6) * DIGIT_PX)
    step = width + (0 if random.random() < 0.5 else round(random.uniform(0.08, 0.3) * DIGIT_PX))
    line_px = max(2, round(random.uniform(0.012, 0.03) * DIGIT_PX))
    image = Image.new("L", (step * len(signs) + 2 * line_px, height + 2 * line_px))
    for index in range(len(signs)):
        box = (index * step + line_px // 2, line_px // 2, index * step + width + line_px // 2, height)
        ImageDraw.Draw(image).rectangle(box, outline=round(255 * random.uniform(0.6, 1.0)), width=line_px)
    page = Page(np.asarray(image, np.float32) / np.float32(255), np.zeros((image.height, image.width), np.uint8))
    for index, sign in enumerate(signs):
        glyph = _glyph(sign, hand, random)
        glyph = glyph[:, : width - 4]
        free_x, free_y = width - glyph.shape[1], height - glyph.shape[0]
        left = index * step + round(free_x * random.uniform(0.3, 0.7))
        top = round(free_y * random.uniform(0.2, 0.8))
        _write(page, glyph, top, left, index + 1)
    return page


def _slanted(page: Page, random: Random) -> Page:
    """Lean the digits, and let the line rise or fall."""
    slant, angle = random.uniform(0.15, 0.4) * random.choice((1, 1, 1, -1)), random.uniform(-7, 7)
    ink = _leant(page.ink, slant, angle, Image.Resampling.BILINEAR)
    return _cropped(Page(ink, _leant(page.owners, slant, angle, Image.Resampling.NEAREST)))


def _leant(values: npt.NDArray[Pixel], slant: float, angle: float, way: Image.Resampling) -> npt.NDArray[Pixel]:
    height = len(values)
    image = Image.fromarray(np.pad(values, ((0, 0), (height // 2, height // 2))))
    sheared = image.transform(image.size, Image.Transform.AFFINE, (1, slant, -slant * height / 2, 0, 1, 0), way)
    return np.array(sheared.rotate(angle, way, expand=True), values.dtype)


def placed(page: Page, lined: bool, random: Random) -> Page:
    """Place the number in a picture, on lined or squared paper if `lined`."""
    width, height = random.choice(SIZES)
    shape = page.ink.shape
    scale = min(width * random.uniform(0.55, 0.9) / shape[1], height * random.uniform(0.35, 0.75) / shape[0])
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    way = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    ink = np.asarray(Image.fromarray(page.ink).resize(size, way))
    owners = np.asarray(Image.fromarray(page.owners).resize(size, Image.Resampling.NEAREST))
    left = round((width - size[0]) * random.uniform(0.25, 0.75))
    top = round((height - size[1]) * random.uniform(0.25, 0.75))
    paper = _ruled(width, height, top + size[1], DIGIT_PX * scale, random) if lined else Image.new("F", (width, height))
    placed = Page(np.array(paper, np.float32), np.zeros((height, width), np.uint8))
    area = (slice(top, top + size[1]), slice(left, left + size[0]))
    placed.ink[area] = np.clip(np.maximum(placed.ink[area], ink), 0, 1)
    placed.owners[area] = owners
    return placed


def _ruled(width: int, height: int, baseline: int, digit_px: float, random: Random) -> Image.Image:
    page = Image.new("F", (width, height))
    draw = ImageDraw.Draw(page)
    squared = random.random() < 0.4
    step = digit_px * (random.uniform(0.4, 1.1) if squared else random.uniform(1.2, 1.9))
    line_px = max(1, round(random.uniform(0.008, 0.02) * digit_px))
    level = random.uniform(0.2, 0.55)
    y = (baseline + random.uniform(-0.05, 0.1) * digit_px) % step
    while y < height:
        draw.line((0, round(y), width, round(y)), fill=level, width=line_px)
        y += step
    x = random.uniform(0, step)
    while squared and x < width:
        draw.line((round(x), 0, round(x), height), fill=level, width=line_px)
        x += step
    return page


def _cropped(page: Page) -> Page:
    rows, columns = np.flatnonzero((page.ink > 0.1).any(1)), np.flatnonzero((page.ink > 0.1).any(0))
    area = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return Page(page.ink[area], page.owners[area])
