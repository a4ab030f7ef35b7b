"""The golden images: clearly written digits, drawn stroke by stroke, that every version must classify correctly."""

import numpy as np

from shared.data.dataset import Labels
from shared.data.handwriting import STROKES, write
from shared.images import CLASSES, Images

STYLES = ((0.0, 2.2), (0.0, 3.2), (0.15, 2.6))  # (slant to the right, width of the pen in pixels)


def draw() -> tuple[Images, Labels]:
    """Return images uint8[30,28,28] and labels uint8[30]: each digit in three styles. Row i shows digit i % 10."""
    labels = (np.arange(len(STYLES) * CLASSES) % CLASSES).astype(np.uint8)
    images = [write(STROKES[digit], slant, width_px) for slant, width_px in STYLES for digit in range(CLASSES)]
    return np.stack(images), labels
