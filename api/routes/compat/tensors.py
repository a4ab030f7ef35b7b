"""Converts the tensors of the compatibility APIs into images."""

import numpy as np
import numpy.typing as npt

from shared.errors import BadParameter
from shared.images import IMAGE_BYTES, IMAGE_SIDE, Images

SHAPES = ((IMAGE_SIDE, IMAGE_SIDE), (IMAGE_SIDE, IMAGE_SIDE, 1), (IMAGE_BYTES,))  # shapes of one image


def images_of(tensor: npt.NDArray[np.generic], name: str) -> Images:
    """Convert [N,28,28], [N,28,28,1] or [N,784] of any number type, with pixels 0 to 255, into uint8[N,28,28].

    Fractions are rounded. Raises BadParameter for other shapes, for values outside the range, and for pixels that seem
    to range from 0 to 1, because rounding would erase them. `name` names the tensor in errors.
    """
    if tensor.ndim < 2 or tensor.shape[1:] not in SHAPES or not len(tensor):
        raise BadParameter(f"{name} has shape {list(tensor.shape)}, expected [N,28,28], [N,28,28,1] or [N,784]")
    if tensor.dtype != np.uint8:
        tensor = _pixels(tensor, name)
    return np.ascontiguousarray(tensor).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)


def _pixels(tensor: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.uint8]:
    if tensor.dtype.kind not in "iuf":
        raise BadParameter(f"{name} has type {tensor.dtype}, expected numbers")
    numbers = tensor.astype(np.float64)
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
        raise BadParameter(f"{name} has values outside 0 to 255")
    if 0 < numbers.max() <= 1 and (numbers % 1).any():
        raise BadParameter(f"{name} has values from 0 to 1, but this model expects pixels from 0 to 255")
    rounded: npt.NDArray[np.uint8] = np.rint(numbers).astype(np.uint8)
    return rounded
