"""`?fit=digit`: turns a photo, scan or drawing of a digit into uint8[28,28] in the style of MNIST. Pure functions."""

import contextlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.decode import process_image
from api.images.fit.digit import digit_of
from api.images.fit.grey import grey_of, reduce_jpeg
from api.images.fit.ink import Grey, ink_of
from api.images.fit.normalise import normalised
from api.images.large import other_way_for, size_factor
from api.images.pixel_budget import JPEG_FACTOR, PixelBudget, require_pixels
from shared.images import images_from_pixels


def fit_grey(grey: Grey) -> npt.NDArray[np.uint8]:
    """Return the digit in `grey` (float32[H,W]) as uint8[28,28], white on black. Raises BadImage if there is none."""
    return normalised(digit_of(*ink_of(grey)))


def fit_pixels(pixels: bytes) -> bytes:
    """Return the 784 pixels of the digit in a 28×28 image. Takes about 3 ms. Raises BadImage if there is no digit."""
    return fit_grey(images_from_pixels(pixels)[0].astype(np.float32)).tobytes()


def fit_picture(data: bytes, max_pixels: int, budget: PixelBudget | None = None) -> bytes:
    """Return the 784 pixels of the digit in an image file of any size. The size is checked before unpacking.

    Takes from 5 ms to about a second, and blocks while `budget` has no room. The limit is `max_pixels` times the factor
    of the format. Raises BadImage for other files, too many pixels, or no digit, and QueueFull.
    """

    return process_image(data, lambda image: fit_grey(limited_grey(image, data, max_pixels, budget)).tobytes())


def limited_grey(image: Image.Image, data: bytes, max_pixels: int, budget: PixelBudget | None = None) -> Grey:
    """Return float32[H,W] of an opened image file `data` of any size. Closes it.

    Blocks while `budget` has no room. Raises BadImage for too many pixels, and QueueFull.
    """
    factor, pixels = size_factor(image, data), image.width * image.height
    require_pixels(image.size, int(max_pixels * factor), other_way_for(factor))
    reduce_jpeg(image)
    pixels = image.width * image.height if factor == JPEG_FACTOR else pixels
    room = budget.take(pixels) if budget else contextlib.nullcontext()
    with room, contextlib.closing(image):  # frees the pixels: the traceback of an error would keep them
        return grey_of(image)
