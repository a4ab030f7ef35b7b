"""Pictures of what is no digit, drawn by other code and with other fonts than the pictures for training."""

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from shared.data.dataset import Split
from shared.images import Images
from shared.shapes import IMAGE_SIDE

# Open fonts that `tools/training_pictures` does not use. Pillow's own font is the fifth.
FONTS = ("font_lato", "font_rhd", "font_intuitive", "font_amatic_sc")
LETTERS = "ACEFHJKLMNPRTUVWXYacdefhjkmnprtuvwxy"  # without those that people take for digits
SYMBOLS = '+#?&%@=$*<>~{}!"^;:'
SIDE_PX = 300
# For each digit, the sides of which half a digit is no digit to a person: half a 1 is a 1, the top of an 8 is a 0.
HALVES = {0: "tblr", 2: "blr", 3: "bl", 4: "tl", 5: "tblr", 6: "lr", 7: "l", 8: "l", 9: "l"}
# Two digits, the upper or left one first, that are another digit to a person if they touch: a broken 1, an 8, a 6, a 9.
ONE_DIGIT = {(1, 1), (0, 0), (1, 0), (0, 1)}
TOUCHING_PX = 15  # the widest gap that 28×28 pixels do not show: less than one of them
Glyph = Image.Image  # L, 255 for ink
Draw = Callable[[Random, Split], Glyph | Images]


def letter(random: Random, split: Split) -> Glyph:
    return _text(random.choice(LETTERS), random)


def symbol(random: Random, split: Split) -> Glyph:
    return _text(random.choice(SYMBOLS), random)


def word(random: Random, split: Split) -> Glyph:
    return _text("".join(random.choices(LETTERS, k=random.randint(2, 5))), random)


def _text(text: str, random: Random) -> Glyph:
    file = random.choice(font_files())
    font = ImageFont.truetype(file, SIDE_PX * 0.7) if file else ImageFont.load_default(size=SIDE_PX * 0.7)
    canvas = Image.new("L", (SIDE_PX * (1 + len(text)), SIDE_PX * 2))
    middle = (canvas.width / 2, canvas.height / 2)
    bold = random.choice((0, 0, 3, 8))
    ImageDraw.Draw(canvas).text(middle, text, fill=255, font=font, anchor="mm", stroke_width=bold)
    return canvas.rotate(random.uniform(-10, 10), Image.Resampling.BICUBIC)


@cache
def font_files() -> tuple[Path | None, ...]:
    """Return the font files, and None for Pillow's own font."""
    folders = [Path(str(import_module(name).__file__)).parent for name in FONTS]
    return (None, *(file for folder in folders for file in sorted(folder.rglob("*.ttf"))))


def scribble(random: Random, split: Split) -> Glyph:
    """Return a pen that wanders with momentum, crosses something out, or turns in circles."""
    canvas = Image.new("L", (SIDE_PX, SIDE_PX))
    draw, width = ImageDraw.Draw(canvas), random.choice((6, 10, 16, 24))
    kind = random.randrange(3)
    points: list[tuple[float, float]] = []
    if kind == 0:
        x, y, angle = SIDE_PX / 2, SIDE_PX / 2, random.uniform(0, 6)
        for _ in range(random.randint(40, 140)):
            angle += random.gauss(0, 0.5)
            x, y = x + 14 * math.cos(angle), y + 14 * math.sin(angle)
            if not (20 < x < SIDE_PX - 20 and 20 < y < SIDE_PX - 20):
                angle += math.pi * 0.6
            x, y = min(max(x, 20), SIDE_PX - 20), min(max(y, 20), SIDE_PX - 20)
            points.append((x, y))
    elif kind == 1:
        rows = random.randint(4, 8)
        sides = (30, 240)
        points = [(sides[row % 2] + random.uniform(0, 30), 40 + row * 220 / rows) for row in range(rows + 1)]
    else:
        phase, squeeze = random.uniform(0, 6), random.uniform(0.4, 1)
        for step in range(random.randint(90, 200)):
            radius = 110 * (0.4 + 0.6 * abs(math.sin(step / random.uniform(40, 42))))
            points.append(
                (150 + radius * math.cos(phase + step / 6), 150 + squeeze * radius * math.sin(phase + step / 6))
            )
    draw.line(points, fill=255, width=width, joint="curve")
    return canvas


def half(random: Random, split: Split) -> Images:
    """Return an MNIST test image uint8[28,28] with half of the digit erased."""
    while True:
        row = random.randrange(len(split.labels))
        sides = HALVES.get(int(split.labels[row]))
        if sides is None:
            continue
        image: Images = split.images[row].copy()
        side = random.choice(sides)
        lines = np.flatnonzero((image > 40).any(axis=1 if side in "tb" else 0))
        cut = (lines[0] + lines[-1] + 1) // 2
        view = image if side in "tb" else image.T
        view[slice(cut, None) if side in "tl" else slice(None, cut)] = 0
        return image


def several(random: Random, split: Split) -> Glyph:
    """Return two or three MNIST test digits in one row, from overlapping to spaced."""
    digits = [
        Image.fromarray(split.images[random.randrange(len(split.labels))]) for _ in range(random.choice((2, 2, 3)))
    ]
    large = [digit.crop(digit.getbbox()).resize((140, 200), Image.Resampling.BICUBIC) for digit in digits]
    gap = random.choice((-20, 0, 15, 40, 80))
    row = Image.new("L", (len(large) * 140 + (len(large) - 1) * gap + 40, 260))
    for index, digit in enumerate(large):
        page = Image.new("L", row.size)
        page.paste(digit, (20 + index * (140 + gap), 30 + random.randint(-15, 15)))
        row = ImageChops.lighter(row, page)
    return row


def stacked(random: Random, split: Split) -> Glyph:
    """Return two MNIST test digits that are above each other or diagonal, with a gap of up to a digit's height.

    Pairs that are one digit to a person (ONE_DIGIT) do not touch.
    """
    while True:
        rows = [random.randrange(len(split.labels)) for _ in range(2)]
        first, second = (_cut_out(split.images[row], random.uniform(0.75, 1.25)) for row in rows)
        angle = random.uniform(math.radians(25), math.radians(155))
        gap = random.choice((0, 4, 15, 40, 80))
        if gap > TOUCHING_PX or (split.labels[rows[0]], split.labels[rows[1]]) not in ONE_DIGIT:
            return _pile(first, second, angle, gap)


def _pile(first: Glyph, second: Glyph, angle: float, gap: float) -> Glyph:
    """Return two digits, of which the second lies at an angle from the first: 90° are below it."""
    reach_x = (first.width + second.width) / 2 / max(abs(math.cos(angle)), 1e-6)
    reach_y = (first.height + second.height) / 2 / math.sin(angle)
    reach = min(reach_x, reach_y) + gap
    middle = (SIDE_PX, SIDE_PX)
    canvas = Image.new("L", (2 * SIDE_PX, 2 * SIDE_PX))
    for digit, side in ((first, -1), (second, 1)):
        page = Image.new("L", canvas.size)
        x = middle[0] + side * reach / 2 * math.cos(angle)
        y = middle[1] + side * reach / 2 * math.sin(angle)
        page.paste(digit, (round(x - digit.width / 2), round(y - digit.height / 2)))
        canvas = ImageChops.lighter(canvas, page)
    return canvas


def _cut_out(image: Images, scale: float) -> Glyph:
    """Return an MNIST image without its margin, about 200 pixels high."""
    digit = Image.fromarray(image)
    digit = digit.crop(digit.getbbox())
    size = (round(10 * digit.width * scale), round(10 * digit.height * scale))
    return digit.resize(size, Image.Resampling.BICUBIC)


def ring(random: Random, split: Split) -> Glyph:
    """Return the stain of a cup: one or two arcs of a circle, with drops."""
    canvas = Image.new("L", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(canvas)
    width = random.choice((5, 10, 18))
    for inset in (20, *((20 + random.randint(8, 40),) if random.random() < 0.3 else ())):
        start = random.uniform(0, 360)
        box = (inset, inset + random.uniform(-6, 6), SIDE_PX - inset, SIDE_PX - inset + random.uniform(-6, 6))
        draw.arc(box, start, start + random.choice((360, 360, 330, 280)), fill=random.randint(150, 255), width=width)
    return canvas.filter(ImageFilter.GaussianBlur(random.uniform(0, 4)))


def coin(random: Random, split: Split) -> Glyph:
    """Return a coin with a rim and a head or letters."""
    canvas = Image.new("L", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(canvas)
    draw.ellipse((15, 15, 285, 285), fill=random.randint(120, 230))
    draw.ellipse((30, 30, 270, 270), outline=random.randint(60, 255), width=random.randint(3, 9))
    draw.ellipse((105, 70, 195, 190), fill=random.randint(40, 255))
    draw.chord((80, 170, 220, 290), 180, 360, fill=random.randint(40, 255))
    return canvas.filter(ImageFilter.GaussianBlur(random.uniform(0, 5)))


def blank(random: Random, split: Split) -> Images:
    """Return one grey level with little noise: uint8[28,28]."""
    level, sigma = random.choice((0, 255, random.randrange(256))), random.choice((0, 2, 8))
    return _noisy(np.full((IMAGE_SIDE, IMAGE_SIDE), level), sigma, random)


def noise(random: Random, split: Split) -> Images:
    """Return strong noise, a gradient, or an edge: uint8[28,28]."""
    kind = random.randrange(3)
    y, x = np.mgrid[0:IMAGE_SIDE, 0:IMAGE_SIDE] / (IMAGE_SIDE - 1)
    slope = x if random.random() < 0.5 else y
    if kind == 0:
        return _noisy(np.full((IMAGE_SIDE, IMAGE_SIDE), random.randint(0, 128)), random.choice((30, 60, 120)), random)
    return _noisy(255 * (slope if kind == 1 else slope > random.uniform(0.2, 0.8)), random.choice((0, 5, 20)), random)


def _noisy(levels: np.ndarray, sigma: float, random: Random) -> Images:
    noise = np.random.default_rng(random.getrandbits(32)).normal(0, sigma, levels.shape)
    image: Images = np.clip(levels + noise, 0, 255).astype(np.uint8)
    return image


KINDS: dict[str, Draw] = {
    "letters": letter,
    "words": word,
    "symbols": symbol,
    "rings": ring,
    "coins": coin,
    "blanks": blank,
    "noise": noise,
    "scribbles": scribble,
    "halves": half,
    "several": several,
    "several, stacked": stacked,
}
