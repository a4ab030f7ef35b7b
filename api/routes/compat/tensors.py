"""Converts the tensors of the compatibility APIs into images."""

import numpy as np
import numpy.typing as npt

from api.images.levels import faint_images, levels_of_array
from shared.errors import BadImage, BadParameter
from shared.images import IMAGE_BYTES, IMAGE_SIDE, Images

SHAPES = ((IMAGE_SIDE, IMAGE_SIDE), (IMAGE_SIDE, IMAGE_SIDE, 1), (IMAGE_BYTES,))  # shapes of one image
SLICE_IMAGES = 256  # converted at a time, because the conversion of a number takes 16 bytes


def images_of(tensor: npt.NDArray[np.generic], name: str) -> Images:
    """Convert [N,28,28], [N,28,28,1] or [N,784] of any number type into uint8[N,28,28].

    Pixels from 0 to 255 and from 0 to 1 are recognized, as are the other ranges of `levels_of_array`. Raises
    BadParameter for other shapes, for values of another range, and for images without contrast. `name` names the tensor
    in errors.
    """
    if tensor.ndim < 2 or tensor.shape[1:] not in SHAPES or not len(tensor):
        raise BadParameter(f"{name} has shape {list(tensor.shape)}, expected [N,28,28], [N,28,28,1] or [N,784]")
    if tensor.dtype.kind not in "iuf":
        raise BadParameter(f"{name} has type {tensor.dtype}, expected numbers")
    try:
        levels = levels_of_array(tensor)
    except BadImage as error:
        raise BadParameter(f"{name}: {error.detail}") from None
    rows = tensor.reshape(len(tensor), -1)
    parts = [levels.pixels(rows[start : start + SLICE_IMAGES]) for start in range(0, len(rows), SLICE_IMAGES)]
    images = np.concatenate(parts).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
    for position, reason in faint_images(images).items():
        raise BadParameter(f"image {position} of {name} has {reason}")
    return images
