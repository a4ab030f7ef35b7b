"""The normalisation that MNIST's page describes: a box of 20×20 that keeps the aspect, centred by mass in 28×28."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from api.images.fit.ink import Ink
from shared.images import IMAGE_SIDE

BOX_PX = 20
FINE = 10  # the strokes are made MNIST's in a drawing this many times as large
CENTRE_PX = 14.0  # where MNIST's images have their centre of mass, in pixels' indices
THIN_PX = 1.9  # MNIST's thinnest strokes, of one in twenty images; half of all have 2.1 to 3
USUAL_PX = 2.3
THICK_PX = 3.2  # over it, and it is type or a felt pen
FAINT = 0.1  # of an edge that is not counted to the box

Canvas = npt.NDArray[np.uint8]


def normalised(ink: Ink) -> npt.NDArray[np.uint8]:
    """uint8[28,28] of the ink (float32[H,W], 0 to 1) of a digit and of nothing else."""
    fine = _boxed(ink, BOX_PX * FINE)
    drawn = _boxed(_usual_strokes(fine), BOX_PX)
    image = np.zeros((3 * IMAGE_SIDE, 3 * IMAGE_SIDE), np.float32)  # room for a centre of mass at a corner
    height, width = drawn.shape
    mass = max(float(drawn.sum()), 1e-6)
    down = CENTRE_PX - float(drawn.sum(1) @ np.arange(height)) / mass
    right = CENTRE_PX - float(drawn.sum(0) @ np.arange(width)) / mass
    top, left = IMAGE_SIDE + round(down), IMAGE_SIDE + round(right)
    image[top : top + height, left : left + width] = drawn
    middle = image[IMAGE_SIDE : 2 * IMAGE_SIDE, IMAGE_SIDE : 2 * IMAGE_SIDE]
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(middle, 0, 1) * 255).astype(np.uint8)
    return pixels


def _boxed(ink: Ink, side: int) -> Ink:
    """Cropped to where there is ink, the longer side brought to `side`."""
    rows, columns = np.flatnonzero((ink > FAINT).any(1)), np.flatnonzero((ink > FAINT).any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ink.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(
        Image.fromarray(ink).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    )


def stroke_px(ink: Ink) -> float:
    """The mean width of the strokes: twice the area over the outline, whose steps are π/4 too long on the average."""
    padded = np.pad(ink, 1)
    outline = (np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()) * np.pi / 4
    return float(2 * ink.sum() / max(outline, 1e-6))


def _usual_strokes(fine: Ink) -> Ink:
    """Strokes thinner or thicker than any of MNIST's are brought to its own."""
    width_px = stroke_px(fine) / FINE
    if width_px < THIN_PX:
        change = USUAL_PX - width_px
    elif width_px > THICK_PX:
        change = THICK_PX - width_px
    else:
        return fine
    steps = max(1, round(abs(change) * FINE / 2))
    image = Image.fromarray(np.rint(np.clip(np.pad(fine, steps), 0, 1) * 255).astype(np.uint8))
    for _ in range(steps):
        image = image.filter(ImageFilter.MaxFilter(3) if change > 0 else ImageFilter.MinFilter(3))
    changed: Ink = np.asarray(image, np.float32) / np.float32(255)
    return changed if changed.max() > 0.5 else fine
