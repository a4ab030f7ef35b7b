"""The way of ink to an image of 28×28: as MNIST normalises it, as a small drawing, or on a sheet that `fit` reads."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from api.images.fit import fit_grey
from api.images.fit.normalise import normalised
from shared.errors import BadImage
from shared.images import Images
from shared.shapes import IMAGE_SIDE
from tools.training_pictures.ink import Ink, waves
from tools.training_pictures.textures import texture

MIN_LIKENESS = 0.55  # correlation between what `fit` found on the sheet and the ink that was put there


def as_mnist(ink: Ink) -> Images:
    """Return uint8[28,28] of a clean drawing, normalised as MNIST was."""
    return normalised(ink)


def as_drawing(ink: Ink, rng: Generator) -> Images:
    """Return uint8[28,28] with the ink in any size and place, as a client might scale it down."""
    side = float(rng.uniform(14, 27))
    scale = side / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    small = np.asarray(
        Image.fromarray(ink).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    )
    if small.max() < 0.9 and rng.random() < 0.8:
        small = small / max(float(small.max()), 0.05)
    image: np.ndarray = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.float32)
    free_y, free_x = IMAGE_SIDE - small.shape[0], IMAGE_SIDE - small.shape[1]
    top = min(max(round(free_y / 2 + rng.normal(0, 2)), 0), free_y)
    left = min(max(round(free_x / 2 + rng.normal(0, 2)), 0), free_x)
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    if rng.random() < 0.2:
        blurred = Image.fromarray(np.uint8(image * 255))
        image = np.asarray(blurred.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.9)))), np.float32) / 255
    image = image * rng.uniform(0.55, 1)
    if rng.random() < 0.2:
        image = image + rng.normal(0, 0.05, image.shape) + rng.uniform(0, 0.1)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def on_sheet(ink: Ink, rng: Generator, min_likeness: float = MIN_LIKENESS) -> Images | None:
    """Return what `fit` finds on a photographed sheet with the ink. None if it finds nothing, or something else.

    `min_likeness` is -1 for what is no digit in any part: `fit` may find only the rim of a coin.
    """
    height, width = (int(side) for side in rng.integers(110, 230, 2))
    page = np.zeros((height, width), np.float32)
    scale = float(rng.uniform(0.35, 0.75)) * min(height, width) / max(ink.shape)
    size = (max(2, round(ink.shape[1] * scale)), max(2, round(ink.shape[0] * scale)))
    small = np.asarray(
        Image.fromarray(ink).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    )
    top = int(rng.integers(4, height - small.shape[0] - 3))
    left = int(rng.integers(4, width - small.shape[1] - 3))
    page[top : top + small.shape[0], left : left + small.shape[1]] = small
    _decorate(page, (top, left, *small.shape), rng)
    fitted = _fitted(photographed(page, rng))
    return fitted if fitted is not None and likeness(fitted, normalised(ink)) >= min_likeness else None


def scene(rng: Generator) -> Images | None:
    """Return what `fit` finds in a photograph without any writing. None if it finds nothing."""
    side = int(rng.integers(90, 170))
    grey = texture(rng, side).astype(np.float32)
    if rng.random() < 0.4:  # paper with lines, creases and a thumb, but nothing written
        page = np.zeros((side, side), np.float32)
        _decorate(page, (side // 3, side // 3, side // 3, side // 3), rng)
        grey = photographed(np.maximum(page, 0.6 * (texture(rng, side) > 150) * (rng.random() < 0.3)), rng)
    return _fitted(grey)


def likeness(one: Images, other: Images) -> float:
    """Return the correlation of two images."""
    a, b = one.ravel() - one.mean(), other.ravel() - other.mean()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))


def is_bar(image: Images) -> bool:
    """Return whether an image shows hardly more than one straight line, which a person may take for a 1."""
    y, x = np.nonzero(image > 60)
    if len(x) < 5:
        return False
    spread = np.linalg.eigvalsh(np.cov(np.stack([x, y])))
    return bool(spread[0] < 2.2 and spread[1] > 9 * spread[0])


def _fitted(grey: np.ndarray) -> Images | None:
    try:
        return fit_grey(grey.astype(np.float32))
    except BadImage:
        return None


def _decorate(page: Ink, box: tuple[int, int, int, int], rng: Generator) -> None:
    """Draw what stands on paper besides writing: rules, squares, a form's box, an underline, a dot."""
    top, left, height, width = box
    dark = float(rng.uniform(0.25, 1))
    thick = max(1, round(min(page.shape) * rng.uniform(0.006, 0.014)))
    kind = rng.random()
    if kind < 0.2:  # ruled or squared paper
        step = int(rng.integers(16, 40))
        start = int(rng.integers(step))
        for offset in range(thick):
            page[start + offset :: step] = np.maximum(page[start + offset :: step], dark * 0.6)
            if kind < 0.1:
                columns = page[:, start + offset :: step]
                np.maximum(columns, dark * 0.6, out=columns)
    elif kind < 0.3:  # a box around the writing
        gap = int(rng.integers(3, 14))
        above, below = max(top - gap, 0), top + height + gap
        before, after = max(left - gap, 0), left + width + gap
        for across, along in (
            (slice(above, above + thick), slice(before, after)),
            (slice(below, below + thick), slice(before, after + thick)),
            (slice(above, below), slice(before, before + thick)),
            (slice(above, below), slice(after, after + thick)),
        ):
            page[across, along] = np.maximum(page[across, along], dark)
    elif kind < 0.36:  # an underline
        row = min(top + height + int(rng.integers(2, 12)), page.shape[0] - thick)
        page[row : row + thick, max(left - 8, 0) : left + width + 8] = dark
    elif kind < 0.4:  # a dot behind the writing
        row, column = top + height - 2 * thick, left + width + int(rng.integers(3, 9))
        page[row : row + 2 * thick, column : column + 2 * thick] = 1


def photographed(ink: Ink, rng: Generator) -> np.ndarray:
    """Return float32[H,W] from 0 to 255: ink on paper with uneven light, blur and noise, or chalk on a board."""
    light = 1 - rng.uniform(0, 0.45) * waves(ink.shape, rng.uniform(1, 3), rng)
    if rng.random() < 0.15:
        grey = rng.uniform(20, 80) * light + rng.uniform(90, 150) * ink
    else:
        grey = rng.uniform(150, 250) * light * (1 - rng.uniform(0.35, 0.95) * ink)
    if rng.random() < 0.6:
        blurred = Image.fromarray(np.uint8(np.clip(grey, 0, 255))).filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5)))
        )
        grey = np.asarray(blurred, np.float32)
    return np.clip(grey + rng.normal(0, float(rng.choice((0, 1, 3, 6))), ink.shape), 0, 255)
