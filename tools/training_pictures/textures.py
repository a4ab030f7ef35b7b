"""Images uint8[28,28] without any ink: blanks, noise, gradients, edges, cloth, and crops as of photographs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from shared.images import Images
from shared.shapes import IMAGE_SIDE
from tools.training_pictures.ink import waves

Shade = Any  # float64[H,W], 0 to 1


def texture(rng: Generator, side: int = IMAGE_SIDE) -> Images:
    """Return uint8[side,side] of a random kind and contrast."""
    shade = TEXTURES[int(rng.integers(len(TEXTURES)))](rng, side)
    shade = (shade - shade.min()) / max(float(np.ptp(shade)), 1e-6)
    low, high = np.sort(rng.random(2)) if rng.random() < 0.5 else (0.0, 1.0)
    if rng.random() < 0.3:
        shade = 1 - shade
    noise = rng.normal(0, float(rng.choice((0, 0, 0.01, 0.04))), shade.shape)
    image: Images = np.rint(np.clip(low + (high - low) * shade + noise, 0, 1) * 255).astype(np.uint8)
    return image


def blank(rng: Generator, side: int = IMAGE_SIDE) -> Images:
    """Return one grey level with little noise or none."""
    level = float(rng.choice((0, 255, int(rng.integers(256)))))
    noise = rng.normal(0, float(rng.choice((0, 1, 4, 12))), (side, side))
    image: Images = np.rint(np.clip(level + noise, 0, 255)).astype(np.uint8)
    return image


def _grain(rng: Generator, side: int) -> Shade:
    return rng.random((side, side)) ** rng.uniform(0.5, 4)


def _pepper(rng: Generator, side: int) -> Shade:
    return (rng.random((side, side)) < rng.uniform(0.01, 0.5)) * rng.uniform(0.5, 1, (side, side))


def _clouds(rng: Generator, side: int) -> Shade:
    octaves = [waves((side, side), 2**n * rng.uniform(1.2, 2), rng) * 0.6**n for n in range(int(rng.integers(1, 5)))]
    return np.sum(octaves, axis=0)


def _patches(rng: Generator, side: int) -> Shade:
    return (_clouds(rng, side) > rng.uniform(0.4, 1.0)).astype(np.float64)


def _ramp(rng: Generator, side: int) -> Shade:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    angle = rng.uniform(0, 2 * math.pi)
    return x * math.cos(angle) + y * math.sin(angle) if rng.random() < 0.7 else np.hypot(x - math.cos(angle), y)


def _edge(rng: Generator, side: int) -> Shade:
    ramp = _ramp(rng, side) + rng.uniform(0, 0.15) * _clouds(rng, side)
    return 1 / (1 + np.exp(-(ramp - rng.uniform(-0.5, 0.5)) / rng.choice((0.02, 0.1, 0.3))))


def _stripes(rng: Generator, side: int) -> Shade:
    wave = np.sin(_ramp(rng, side) * rng.uniform(4, 30) + rng.uniform(0, 6) + rng.uniform(0, 2) * _clouds(rng, side))
    return wave if rng.random() < 0.5 else (wave > rng.uniform(-0.6, 0.6)).astype(np.float64)


def _weave(rng: Generator, side: int) -> Shade:
    return _stripes(rng, side) * 1.0 + _stripes(rng, side)


def _things(rng: Generator, side: int) -> Shade:
    """Return overlapping shaded ellipses and boxes, as in a photograph of a desk."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    scene = 0.3 * _clouds(rng, side)
    for _ in range(int(rng.integers(2, 9))):
        angle, (cx, cy) = rng.uniform(0, math.pi), rng.uniform(-1, 1, 2)
        u = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
        v = -(x - cx) * math.sin(angle) + (y - cy) * math.cos(angle)
        u, v = u / rng.uniform(0.15, 0.9), v / rng.uniform(0.15, 0.9)
        inside = (u**2 + v**2 < 1) if rng.random() < 0.5 else (np.maximum(abs(u), abs(v)) < 1)
        scene = np.where(inside, rng.random() + 0.3 * u * rng.uniform(-1, 1) + 0.2 * scene, scene)
    return scene


TEXTURES: tuple[Callable[[Generator, int], Shade], ...] = (
    *(_grain, _grain, _pepper, _clouds, _clouds, _patches, _ramp, _edge, _stripes, _weave, _things, _things, _things),
)
