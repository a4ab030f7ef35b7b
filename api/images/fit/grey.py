"""Converts an opened image file of any size and mode into a grey picture of limited size."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from api.images.fit.ink import Grey

MAX_SIDE_PX = 512  # enough: a digit of a tenth of this height still has twice the resolution of MNIST
DARK = 128.0


def reduce_jpeg(image: Image.Image) -> None:
    """Let a JPEG unpack only as many pixels as are needed. Its size changes."""
    image.draft("L", (MAX_SIDE_PX, MAX_SIDE_PX))


def grey_of(image: Image.Image) -> Grey:
    """Return float32[H,W] from 0 to 255, upright. Transparency becomes paper that contrasts with the ink."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _shrunk_wide(np.asarray(image))
    if image.has_transparency_data:
        return _composite_on_paper(_shrunk(image.convert("RGBA")))
    return np.asarray(_shrunk(image.convert("L")), np.float32)


def _shrunk(image: Image.Image) -> Image.Image:
    scale = MAX_SIDE_PX / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)


def _shrunk_wide(pixels: npt.NDArray[np.generic]) -> Grey:
    """Scale 16 bits, 32 bits or floats so that their minimum becomes black and their maximum white."""
    values = np.nan_to_num(pixels.astype(np.float32), posinf=0.0, neginf=0.0)
    wide = np.asarray(_shrunk(Image.fromarray(values)), np.float64)
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
