"""Image files with given ink: photographs, scans, boards and drawings."""

import io
import math
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from tools.fit_accuracy.rendered import Hand, draw_digit

Grey = npt.NDArray[np.float32]

KINDS = ("photo", "photo", "photo", "scan", "drawing", "board")  # one is chosen at random


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
