"""Converts an opened image file of any size and mode into a grey picture of limited size."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.exif import TRANSPOSITIONS, orientation_of, upright
from api.images.fit.ink import Grey
from api.images.large import reduced

MAX_SIDE_PX = 512  # enough: a digit of a tenth of this height still has twice the resolution of MNIST
DARK = 128.0


def reduce_jpeg(image: Image.Image) -> None:
    """Let a JPEG unpack only as many pixels as are needed. Its size changes."""
    image.draft("L", (MAX_SIDE_PX, MAX_SIDE_PX))


def grey_of(image: Image.Image) -> Grey:
    """Return float32[H,W] from 0 to 255, upright. Transparency becomes paper that contrasts with the ink."""
    image.load()
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey = _stretched(np.asarray(_shrunk(image, _floats), np.float64))
    elif image.has_transparency_data:
        grey = _composite_on_paper(_shrunk(image, lambda part: part.convert("RGBA")))
    else:
        grey = np.asarray(_shrunk(image, lambda part: part.convert("L")), np.float32)
    orientation = orientation_of(image)
    return np.asarray(upright(Image.fromarray(grey), orientation)) if orientation in TRANSPOSITIONS else grey


def _shrunk(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert the picture and scale it down to MAX_SIDE_PX."""
    factor = max(1, max(image.size) // MAX_SIDE_PX)
    small = reduced(image, convert, (factor, factor))
    scale = MAX_SIDE_PX / max(image.size)
    if scale >= 1:
        return small
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return small.resize(size, Image.Resampling.BOX)


def _floats(part: Image.Image) -> Image.Image:
    values = np.asarray(part).astype(np.float32)
    return Image.fromarray(np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0))


def _stretched(wide: npt.NDArray[np.float64]) -> Grey:
    """Scale 16 bits, 32 bits or floats so that their minimum becomes black and their maximum white."""
    low, high = float(wide.min()), float(wide.max())
    return ((wide - low) * (255 / max(high - low, 1e-6))).astype(np.float32)


def _composite_on_paper(image: Image.Image) -> Grey:
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    grey = np.asarray(image.convert("RGB").convert("L"), np.float32)
    if float(alpha.mean()) > 0.5:  # a picture with a hole or round corners: continue its own paper
        paper = float(np.median(grey[alpha > DARK / 255])) if (alpha > DARK / 255).any() else 255.0
    else:
        mean = float((grey * alpha).sum() / max(float(alpha.sum()), 1e-6))
        paper = 255.0 if mean < DARK else 0.0
    return (grey * alpha + paper * (1 - alpha)).astype(np.float32)
