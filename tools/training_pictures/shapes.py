"""Scribbles, rings, coins, spots and lines: what pens and things leave on paper besides digits."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from tools.training_pictures.ink import FAINT, Ink, Points, cropped, from_image, smooth, stroke_ink, waves

SIDE_PX = 128


def scribble(rng: Generator) -> Ink:
    """Return lines that a pen makes without writing: tangles, zigzags, spirals, hatching, loops."""
    strokes = SCRIBBLES[int(rng.integers(len(SCRIBBLES)))](rng)
    pen = float(rng.choice((0.02, 0.04, 0.07, 0.1, 0.14)) * rng.uniform(0.8, 1.3))
    return stroke_ink(strokes, pen, float(rng.uniform(-0.2, 0.2)), float(rng.uniform(0.6, 1.2)))


def _tangle(rng: Generator) -> list[Points]:
    points = rng.random((int(rng.integers(5, 16)), 2))
    return [smooth(points) if rng.random() < 0.7 else points]


def _walk(rng: Generator) -> list[Points]:
    turns = np.cumsum(rng.normal(0, 1.1, int(rng.integers(14, 60))))
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1), 0)
    path = (path - path.min(0)) / max(float(np.ptp(path, axis=0).max()), 1e-6)
    return [smooth(path, 4)]


def _zigzag(rng: Generator) -> list[Points]:
    count = int(rng.integers(5, 14))
    y = np.linspace(0, 1, count)
    x = (np.arange(count) % 2) * rng.uniform(0.5, 1) + rng.normal(0, 0.06, count)
    points = np.stack([x, y], 1)[:, :: int(rng.choice((1, -1)))]
    return [smooth(points) if rng.random() < 0.5 else points]


def _spiral(rng: Generator) -> list[Points]:
    turns = float(rng.uniform(1.8, 5))
    t = np.linspace(0, turns * 2 * math.pi, 160)
    radius = (t / t[-1]) ** rng.uniform(0.6, 1.3) * 0.5
    wobble = 1 + 0.1 * np.sin(t * rng.uniform(0.3, 1.7) + rng.uniform(0, 6))
    angle = t * int(rng.choice((1, -1))) + rng.uniform(0, 6)
    return [np.stack([0.5 + radius * wobble * np.cos(angle), 0.5 + radius * np.sin(angle)], 1)]


def _hatching(rng: Generator) -> list[Points]:
    count, angle = int(rng.integers(3, 10)), rng.uniform(0, math.pi)
    across = np.array([-math.sin(angle), math.cos(angle)])
    along = np.array([math.cos(angle), math.sin(angle)])
    lines = []
    for offset in np.linspace(-0.5, 0.5, count):
        middle = 0.5 + across * offset + rng.normal(0, 0.03, 2)
        length = rng.uniform(0.25, 0.55)
        lines.append(np.stack([middle - along * length, middle + along * length + rng.normal(0, 0.05, 2)]))
    return lines


def _loops(rng: Generator) -> list[Points]:
    t = np.linspace(0, float(rng.uniform(2, 6)) * 2 * math.pi, 200)
    drift = rng.uniform(0.03, 0.12)
    x, y = np.cos(t) * rng.uniform(0.15, 0.4) + drift * t, np.sin(t) * rng.uniform(0.3, 0.5)
    points = np.stack([x, y], 1)
    return [(points - points.min(0)) / max(float(np.ptp(points, axis=0).max()), 1e-6)]


def _circles(rng: Generator) -> list[Points]:
    """Return a pen that goes round and round: each turn is another ellipse, and the turns pass into each other."""
    turns = int(rng.integers(2, 8))
    knots = rng.normal(0, 1, (turns + 2, 4)) * (0.04, 0.04, 0.06, 0.06) * rng.uniform(0.3, 2.2)
    t = np.linspace(0, turns + rng.uniform(0, 0.9), 40 * turns)
    x, y, wide, high = (np.interp(t, np.arange(turns + 2), knots[:, each]) for each in range(4))
    angle = 2 * math.pi * t * int(rng.choice((1, -1))) + rng.uniform(0, 6)
    flat = rng.uniform(0.35, 1)
    points = np.stack([x + (0.5 + wide) * np.cos(angle), y + (0.5 + high) * flat * np.sin(angle)], 1)
    return [(points - points.min(0)) / max(float(np.ptp(points, axis=0).max()), 1e-6)]


def _crossed_out(rng: Generator) -> list[Points]:
    """Return strokes to and fro over a word that should not be read, with corners or without."""
    count = int(rng.integers(4, 13))
    ends = np.arange(count) % 2 + rng.normal(0, rng.uniform(0.01, 0.12), count)
    points = np.stack([ends, np.linspace(0, rng.uniform(0.4, 1.3), count) + rng.normal(0, 0.015, count)], 1)
    points = points if rng.random() < 0.6 else smooth(points)
    turn = rng.uniform(-0.5, 0.5) + (math.pi / 2 if rng.random() < 0.3 else 0)
    return [points @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])]


def _crossing(rng: Generator) -> list[Points]:
    return [rng.random((int(rng.integers(2, 4)), 2)) for _ in range(int(rng.integers(3, 9)))]


def _lissajous(rng: Generator) -> list[Points]:
    a, b = rng.choice(((3, 2), (3, 4), (5, 2), (5, 3), (2, 5)))
    t = np.linspace(0, 2 * math.pi, 160)
    return [np.stack([0.5 + 0.5 * np.sin(a * t + rng.uniform(0, 3)), 0.5 + 0.5 * np.sin(b * t)], 1)]


SCRIBBLES: tuple[Callable[[Generator], list[Points]], ...] = (
    *(_tangle, _tangle, _tangle, _walk, _walk, _zigzag, _spiral, _hatching, _loops, _crossing, _crossing, _lissajous),
    *(_circles, _circles, _circles, _crossed_out, _crossed_out, _crossed_out),
)


def ring(rng: Generator) -> Ink:
    """Return a round stain such as a cup leaves: nearly a circle, uneven, sometimes double or with gaps."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] - (SIDE_PX - 1) / 2
    aspect = float(np.clip(rng.normal(1, 0.035), 0.93, 1.07))
    distance, angle = np.hypot(x, y * aspect), np.arctan2(y, x)
    radius = SIDE_PX * 0.42
    wobble = rng.uniform(0, 0.025) * np.cos(angle * int(rng.integers(2, 5)) + rng.uniform(0, 6))
    thick = radius * float(rng.choice((0.035, 0.07, 0.11, 0.16)))
    ink = np.exp(-(((distance - radius * (1 + wobble)) / thick) ** 4))
    if rng.random() < 0.25:
        second = radius * float(rng.uniform(0.55, 0.88))
        ink = np.maximum(ink, np.exp(-(((distance - second) / (thick * 0.7)) ** 4)))
    if rng.random() < 0.6:  # stains are darker in places
        ink = ink * (rng.uniform(0.2, 0.8) + waves(ink.shape, rng.uniform(2, 9), rng))
    if rng.random() < 0.35:
        ink = ink * (np.abs(np.angle(np.exp(1j * (angle - rng.uniform(-3, 3))))) > rng.uniform(0.15, 1.2))
    return cropped(np.clip(ink, 0, 1).astype(np.float32))


def coin(rng: Generator) -> Ink:
    """Return a disc with a rim, a relief and shading, or a plain spot."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] - (SIDE_PX - 1) / 2
    distance = np.hypot(x, y * rng.uniform(0.85, 1.2)) / (SIDE_PX * 0.42)
    disc = np.clip((1 - distance) * SIDE_PX * 0.2, 0, 1)
    shade = rng.uniform(0.35, 1) + rng.uniform(-0.4, 0.4) * x / SIDE_PX + rng.uniform(-0.4, 0.4) * y / SIDE_PX
    if rng.random() < 0.8:
        rim = np.exp(-(((distance - rng.uniform(0.8, 0.95)) / rng.uniform(0.03, 0.08)) ** 2))
        shade = shade * (1 + rng.uniform(-0.9, 0.9) * rim)
        raised = _relief(rng) & (distance < rng.uniform(0.6, 0.95))
        shade = np.where(raised, shade * rng.uniform(0, 0.8) if rng.random() < 0.7 else rng.uniform(0.2, 1), shade)
    ink = from_image(
        Image.fromarray(np.uint8(np.clip(disc * shade, 0, 1) * 255)).filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0, 2.5)))
        )
    )
    bright: Ink = np.clip(ink / max(float(ink.max()), FAINT), 0, 1).astype(np.float32)
    return bright


def _relief(rng: Generator) -> npt.NDArray[np.bool_]:
    """Return what is stamped on a coin, bool[SIDE_PX,SIDE_PX]: waves, blobs above each other, a polygon, or a sign."""
    kind = int(rng.integers(4))
    if kind == 0:
        return waves((SIDE_PX, SIDE_PX), rng.uniform(2, 14), rng) > rng.uniform(0.4, 0.6)
    canvas = Image.new("L", (SIDE_PX, SIDE_PX))
    draw, middle = ImageDraw.Draw(canvas), SIDE_PX / 2
    if kind == 1:
        for _ in range(int(rng.integers(1, 6))):
            cx, cy = middle + rng.normal(0, 0.14, 2) * SIDE_PX
            rx, ry = rng.uniform(0.06, 0.3, 2) * SIDE_PX
            draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=255)
    elif kind == 2:
        angles = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 12))))
        radii = rng.uniform(0.1, 0.42, len(angles)) * SIDE_PX
        points = np.stack([middle + radii * np.cos(angles), middle + radii * np.sin(angles)], 1)
        draw.polygon([tuple(point) for point in points.tolist()], fill=255)
    else:
        ends = middle + rng.uniform(-0.35, 0.35, (int(rng.integers(2, 7)), 2)) * SIDE_PX
        draw.line([tuple(point) for point in ends.tolist()], fill=255, width=int(rng.integers(4, 24)), joint="curve")
    return np.asarray(canvas) > 0


def moon(rng: Generator) -> Ink:
    """Return a filled round shape that is partly covered or flattened: a crescent, a segment, a ring with one side."""
    y, x = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
    x, y = x * rng.uniform(0.95, 1.5), y * rng.uniform(0.95, 1.5)
    power = float(rng.choice((2, 2, 2, 3, 5)))
    ink = (np.abs(x) ** power + np.abs(y) ** power) < 0.85**power
    for _ in range(int(rng.integers(1, 3))):
        angle, away = rng.uniform(0, 2 * math.pi), rng.uniform(0, 1.1)
        hole = np.hypot(x - away * math.cos(angle), (y - away * math.sin(angle)) * rng.uniform(0.7, 1.4))
        ink = ink & ~(hole < rng.uniform(0.25, 0.85))
    soft = Image.fromarray(np.uint8(ink) * np.uint8(255)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2))))
    return from_image(soft)


def spot(rng: Generator) -> Ink:
    """Return a blot, a solid polygon, or a drawn outline with corners: square, triangle, star, arrow, heart."""
    kind = int(rng.integers(3))
    if kind == 0:
        field = waves((SIDE_PX, SIDE_PX), rng.uniform(3, 6), rng)
        y, x = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j]
        return cropped(np.clip((field - 0.5 * np.hypot(x, y) - rng.uniform(0.05, 0.2)) * 20, 0, 1).astype(np.float32))
    corners = int(rng.integers(3, 8))
    angles = rng.uniform(0, 2 * math.pi) + np.arange(corners) * 2 * math.pi / corners + rng.normal(0, 0.1, corners)
    radii = np.where(np.arange(corners) % 2, rng.uniform(0.3, 1), 1) * 0.5
    points = np.stack([0.5 + radii * np.cos(angles), 0.5 + radii * np.sin(angles)], 1)
    if kind == 1:
        canvas = Image.new("L", (SIDE_PX, SIDE_PX))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in (points * SIDE_PX).tolist()], fill=255)
        return from_image(canvas)
    pen = float(rng.uniform(0.03, 0.1))
    return stroke_ink([np.concatenate([points, points[:1]])], pen)


def lines(rng: Generator) -> Ink:
    """Return lines that meet: crosses, angles, arrows, grids, combs."""
    kind = int(rng.integers(4))
    pen = float(rng.uniform(0.02, 0.1))
    bend = rng.normal(0, 0.04, (8, 2))
    if kind == 0:  # a grid
        count = int(rng.integers(2, 5))
        at = np.linspace(0, 1, count)
        strokes = [np.array([[0, y], [1, y]]) for y in at] + [np.array([[x, 0], [x, 1]]) for x in at]
    elif kind == 1:  # a comb or a ladder
        strokes = [np.array([[0, 0], [0, 1]])] + [
            np.array([[0, y], [1, y]]) for y in np.linspace(0, 1, int(rng.integers(3, 6)))
        ]
        if rng.random() < 0.5:
            strokes.append(np.array([[1, 0], [1, 1]]))
    elif kind == 2:  # an arrow
        strokes = [np.array([[0, 0.5], [1, 0.5]]), np.array([[0.65, 0.2], [1, 0.5], [0.65, 0.8]])]
    else:  # a cross or a star of lines
        turns = np.linspace(0, math.pi, int(rng.integers(2, 5)), endpoint=False) + rng.uniform(0, 3)
        ends = [np.array([math.cos(turn), math.sin(turn)]) * 0.5 for turn in turns]
        strokes = [np.stack([0.5 - end, 0.5 + end]) for end in ends]
    strokes = [stroke + bend[: len(stroke)] for stroke in strokes]
    if rng.random() < 0.5:
        strokes = [stroke[:, ::-1] for stroke in strokes]
    return stroke_ink(strokes, pen)
