"""Digits that the project draws itself, in handwriting or type, as scans, drawings and photographs."""

import io
import math
from random import Random
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from shared.images import Images
from shared.shapes import CLASSES, IMAGE_SIDE

Grey = npt.NDArray[np.float32]
Point = tuple[float, float]
Hand = Literal["written", "set in type"]

GLYPH_PX = 400  # size of a digit before it is placed in a picture
MAX_ROTATION_DEG = 10.0
# Printed digits in 28×28, in a typeface that no model was trained on.
PRINTED_SEED, PRINTED_IMAGES, PRINTED_PX, PRINTED_SHIFT_PX = 2, 200, 24, 2
OVERSAMPLING = 4
PENS = (0.025, 0.05, 0.08, 0.12)  # widths of a stroke, as fractions of the height
KINDS = ("photo", "photo", "photo", "scan", "drawing", "board")  # one is chosen at random

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


def picture(digit: int, hand: Hand, random: Random) -> tuple[bytes, str]:
    """Return (image file, kind of picture)."""
    kind = random.choice(KINDS)
    width, height = random.choice(((320, 240), (480, 640), (640, 480), (900, 1200), (300, 300), (1600, 1200)))
    ink = placed(draw_digit(digit, hand, random), width, height, random)
    return image_file(ink, kind, random), kind


def image_file(ink: Grey, kind: str, random: Random) -> bytes:
    """Return the file of a photo, scan, drawing or board with this ink (float32[H,W], 0 to 1)."""
    if kind == "drawing":
        return _drawing(ink, random)
    return _jpeg({"photo": _photo, "scan": _scan, "board": _board}[kind](ink, random), random)


def placed(glyph: Image.Image, width: int, height: int, random: Random) -> Grey:
    """Place the glyph in a picture of that size, in perspective: float32[H,W], 0 to 1."""
    box = glyph.getbbox()
    assert box is not None
    glyph = glyph.crop(box)
    side = random.uniform(0.3, 0.75) * min(width, height)
    scale = side / max(glyph.size)
    size = (max(1, round(glyph.width * scale)), max(1, round(glyph.height * scale)))
    page = Image.new("L", (width, height))
    free_x, free_y = width - size[0], height - size[1]
    page.paste(
        glyph.resize(size, Image.Resampling.LANCZOS),
        (round(free_x * random.uniform(0.15, 0.85)), round(free_y * random.uniform(0.15, 0.85))),
    )
    placed: Grey = np.asarray(page, np.float32) / np.float32(255)
    return placed


def _tilted(ink: Grey, random: Random) -> Grey:
    """Return a perspective that moves the corners by up to a 20th of the picture."""
    height, width = ink.shape
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    moved = [(x + random.uniform(-0.05, 0.05) * width, y + random.uniform(-0.05, 0.05) * height) for x, y in corners]
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(corners, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.array(rows), np.array(moved).ravel())
    tilted = Image.fromarray(ink).transform(
        (width, height), Image.Transform.PERSPECTIVE, list(solved), Image.Resampling.BILINEAR
    )
    return np.asarray(tilted)


def _ramp(shape: tuple[int, ...], random: Random) -> Grey:
    """Return a gradient from 0 to 1 over the picture, in a random direction."""
    angle = random.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    ramp = x * math.cos(angle) + y * math.sin(angle)
    level: Grey = ((ramp - ramp.min()) / np.ptp(ramp)).astype(np.float32)
    return level


def _shadow(shape: tuple[int, ...], random: Random) -> Grey:
    """Return the light, darker behind an edge such as the shadow of a hand."""
    edge = random.uniform(0.2, 0.8)
    softness = random.choice((0.01, 0.03, 0.1))
    depth = random.uniform(0.15, 0.5)
    light: Grey = (1 - depth / (1 + np.exp(-(_ramp(shape, random) - edge) / softness))).astype(np.float32)
    return light


def _blurred(grey: Grey, radius: float) -> Grey:
    image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float32)


def _noise(shape: tuple[int, ...], sigma: float, random: Random) -> Grey:
    return np.random.default_rng(random.getrandbits(32)).normal(0, sigma, shape).astype(np.float32)


def _photo(ink: Grey, random: Random) -> Grey:
    ink = _tilted(ink, random)
    paper = random.uniform(150, 245) * (1 - random.uniform(0.05, 0.45) * _ramp(ink.shape, random))
    if random.random() < 0.5:
        paper = paper * _shadow(ink.shape, random)
    grey = paper * (1 - random.uniform(0.45, 0.9) * ink)
    if random.random() < 0.25:
        grey = _ruled(grey, random)
    grey = _blurred(grey, random.uniform(0.3, 2.0) * max(grey.shape) / 640)
    return grey + _noise(grey.shape, random.uniform(1, 9), random)


def _ruled(grey: Grey, random: Random) -> Grey:
    """Draw lines above and below the digit, and a margin."""
    dark = np.flatnonzero((grey < 0.6 * np.median(grey)).any(1))
    grey = grey.copy()
    gap = max(4, grey.shape[0] // 40)
    for row in (int(dark.min()) - gap if dark.size else 0, int(dark.max()) + gap if dark.size else 0):
        if gap < row < grey.shape[0] - gap:
            grey[row : row + max(1, gap // 4)] *= random.uniform(0.55, 0.8)
    return grey


def _scan(ink: Grey, random: Random) -> Grey:
    """Draw a scan: clean and flat, with dust, and sometimes the frame of a form."""
    grey = random.uniform(225, 255) * (1 - random.uniform(0.6, 1.0) * ink)
    height, width = grey.shape
    for _ in range(random.randint(0, 25)):
        y, x = random.randrange(height), random.randrange(width)
        grey[y : y + random.randint(1, 3), x : x + random.randint(1, 3)] = random.uniform(20, 150)
    if random.random() < 0.4:
        page = Image.fromarray(grey)
        inset = random.choice((0, 0.02, 0.04)) * min(height, width)
        frame = (inset, inset, width - 1 - inset, height - 1 - inset)
        ImageDraw.Draw(page).rectangle(frame, outline=60, width=max(1, min(height, width) // 120))
        grey = np.asarray(page)
    return grey + _noise(grey.shape, random.uniform(0, 3), random)


def _board(ink: Grey, random: Random) -> Grey:
    """Draw chalk on a board: light on dark."""
    board = random.uniform(20, 80) + random.uniform(0, 40) * _ramp(ink.shape, random)
    grey = board + random.uniform(90, 150) * ink
    return _blurred(grey, random.uniform(0, 1.5)) + _noise(grey.shape, random.uniform(1, 8), random)


def _jpeg(grey: Grey, random: Random) -> bytes:
    tint = np.array([1, random.uniform(0.93, 1), random.uniform(0.85, 1)], np.float32)
    colours = np.clip(grey[:, :, None] * tint, 0, 255).astype(np.uint8)
    return _file(Image.fromarray(colours), "JPEG", quality=random.randint(40, 95))


def _drawing(ink: Grey, random: Random) -> bytes:
    """Draw a PNG of a drawing program, with colours or with only ink on transparency."""
    colour = random.choice(((0, 0, 0), (20, 20, 120), (180, 20, 30)))
    alpha = Image.fromarray(np.rint(ink * 255).astype(np.uint8))
    layer = Image.new("RGBA", alpha.size, colour)
    layer.putalpha(alpha)
    if random.random() < 0.5:
        return _file(layer, "PNG")
    return _file(Image.alpha_composite(Image.new("RGBA", alpha.size, "white"), layer).convert("RGB"), "PNG")


def _file(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
