"""Scribbles, rings, coins, spots and lines: what pens and things leave on paper besides digits."""

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from tools.training_pictures.ink import Ink, Points, cropped, from_image, smooth, stroke_ink, waves

SIDE_PX = 128


def scribble(rng: Generator) -> Ink:
    """Return lines that a pen makes without writing: tangles, zigzags, spirals, hatching, loops."""
    strokes = SCRIBBLES[int(rng.integers(len(SCRIBBLES)))](rng)
    pen = float(rng.choice((0.02, 0.04, 0.07, 0.1)) * rng.uniform(0.8, 1.3))
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


def _crossing(rng: Generator) -> list[Points]:
    return [rng.random((int(rng.integers(2, 4)), 2)) for _ in range(int(rng.integers(3, 9)))]


def _lissajous(rng: Generator) -> list[Points]:
    a, b = rng.choice(((3, 2), (3, 4), (5, 2), (5, 3), (2, 5)))
    t = np.linspace(0, 2 * math.pi, 160)
    return [np.stack([0.5 + 0.5 * np.sin(a * t + rng.uniform(0, 3)), 0.5 + 0.5 * np.sin(b * t)], 1)]


SCRIBBLES: tuple[Callable[[Generator], list[Points]], ...] = (
    *(_tangle, _tangle, _tangle, _walk, _walk, _zigzag, _spiral, _hatching, _loops, _crossing, _crossing, _lissajous),
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
    ink = disc * shade
    if rng.random() < 0.8:
        ink = ink * (1 - rng.uniform(0.2, 0.9) * np.exp(-(((distance - rng.uniform(0.8, 0.95)) / 0.05) ** 2)))
        relief = waves(ink.shape, rng.uniform(4, 14), rng) > rng.uniform(0.4, 0.6)
        ink = ink * (1 - rng.uniform(0.2, 0.9) * (relief & (distance < 0.72)))
    return cropped(np.clip(ink, 0, 1).astype(np.float32))


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
