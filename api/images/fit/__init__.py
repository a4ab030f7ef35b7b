"""`?fit=digit`: a photo, scan or drawing of a digit as MNIST would have it. Pure functions, file to uint8[28,28]."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.decode import with_image
from api.images.fit.digit import digit_of
from api.images.fit.grey import grey_of
from api.images.fit.ink import Grey, ink_of
from api.images.fit.normalise import normalised
from shared.errors import BadImage
from shared.images import images_from_pixels


def fit_grey(grey: Grey) -> npt.NDArray[np.uint8]:
    """uint8[28,28], white on black, of the digit in `grey` (float32[H,W]). Raises BadImage where none is found."""
    return normalised(digit_of(*ink_of(grey)))


def fit_pixels(pixels: bytes) -> bytes:
    """The 784 pixels of the digit in an image that is 28×28 already. Takes some 3 ms. Raises BadImage for no digit."""
    return fit_grey(images_from_pixels(pixels)[0].astype(np.float32)).tobytes()


def fit_picture(data: bytes, most_pixels: int) -> bytes:
    """The 784 pixels of the digit that an image file of any size shows. Its size is checked before it is unpacked.

    Takes from 5 ms to about a second. Raises BadImage for no image, more than `most_pixels`, or no digit in it.
    """

    def fitted(image: Image.Image) -> bytes:
        if image.width * image.height > most_pixels:
            raise BadImage(f"{image.width}×{image.height} are more than {most_pixels} pixels, the most for ?fit=digit")
        return fit_grey(grey_of(image)).tobytes()

    return with_image(data, fitted)
