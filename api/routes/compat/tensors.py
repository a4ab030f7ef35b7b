"""Tensors as other protocols bring them, to the images that the queue takes."""

import numpy as np
import numpy.typing as npt

from shared.errors import BadParameter
from shared.images import IMAGE_BYTES, IMAGE_SIDE, Images

SHAPES = ((IMAGE_SIDE, IMAGE_SIDE), (IMAGE_SIDE, IMAGE_SIDE, 1), (IMAGE_BYTES,))  # of one image


def images_of(tensor: npt.NDArray[np.generic], name: str) -> Images:
    """A tensor of any number type, [N,28,28], [N,28,28,1] or [N,784] of pixels 0 to 255 -> uint8[N,28,28].

    Fractions are rounded. Raises BadParameter, naming the tensor by `name`, for other shapes, for values outside, and
    for what looks like pixels from 0 to 1: rounded, nothing would be left of it.
    """
    if tensor.ndim < 2 or tensor.shape[1:] not in SHAPES or not len(tensor):
        raise BadParameter(f"{name} has shape {list(tensor.shape)}, expected [N,28,28], [N,28,28,1] or [N,784]")
    if tensor.dtype != np.uint8:
        tensor = _pixels(tensor, name)
    return np.ascontiguousarray(tensor).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)


def _pixels(tensor: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.uint8]:
    if tensor.dtype.kind not in "iuf":
        raise BadParameter(f"{name} is of {tensor.dtype}, expected numbers")
    numbers = tensor.astype(np.float64)
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
        raise BadParameter(f"{name} has values outside 0 to 255")
    if 0 < numbers.max() <= 1 and (numbers % 1).any():
        raise BadParameter(f"{name} has values from 0 to 1, this model takes pixels from 0 to 255")
    rounded: npt.NDArray[np.uint8] = np.rint(numbers).astype(np.uint8)
    return rounded
