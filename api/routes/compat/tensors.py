"""Converts the tensors of the compatibility APIs into images."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from api.images.levels import faint_images, levels_of_array
from shared.contract.model_spec import MNIST_SPEC, ModelSpec, Normalization
from shared.errors import BadImage, BadParameter
from shared.images import Images
from shared.shapes import MNIST_SHAPE, Shape, axes_of

SLICE_NUMBERS = 256 * 784  # converted at a time, because the conversion of a number takes 16 bytes
ROUNDING = 0.51  # how far a number may be beyond the range of pixels, in grey levels
# The numbers that mean black and white, by the values on a card.
RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "quantized": (0.0, 255.0)}


def images_of(tensor: npt.NDArray[np.generic], name: str, spec: ModelSpec = MNIST_SPEC) -> Images:
    """Convert a tensor of any number type into images of a version, such as [N,28,28] into uint8[N,28,28].

    Grey images may have an axis for their channel, and all images may be flat. For MNIST's shape, pixels from 0 to 255
    and from 0 to 1 are recognized, as are the other ranges of `levels_of_array`. For other shapes, integers are pixels,
    and floats are in the range that the card says. Raises BadParameter for other shapes, for values of another range,
    and for digits without contrast. `name` names the tensor in errors.
    """
    shapes = shapes_of(spec.shape)
    if tensor.ndim < 2 or tensor.shape[1:] not in shapes or not len(tensor):
        expected = [f"[N,{','.join(map(str, shape))}]" for shape in shapes]
        raise BadParameter(
            f"{name} has shape {list(tensor.shape)}, expected {', '.join(expected[:-1])} or {expected[-1]}"
        )
    if tensor.dtype.kind not in "iuf":
        raise BadParameter(f"{name} has type {tensor.dtype}, expected numbers")
    if spec.shape != MNIST_SHAPE:
        return _converted(tensor.reshape(len(tensor), -1), name, spec).reshape(-1, *spec.array_shape)
    return _digits(tensor, name)


def shapes_of(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that one image may have."""
    axes, flat = axes_of(shape), (math.prod(shape),)
    return (axes, flat) if axes == shape else (axes, shape, flat)


def _digits(tensor: npt.NDArray[np.generic], name: str) -> Images:
    try:
        levels = levels_of_array(tensor)
    except BadImage as error:
        raise BadParameter(f"{name}: {error.detail}") from None
    rows = tensor.reshape(len(tensor), -1)
    images = np.concatenate([levels.pixels(part) for part in _slices(rows)]).reshape(-1, *axes_of(MNIST_SHAPE))
    for position, reason in faint_images(images).items():
        raise BadParameter(f"image {position} of {name} has {reason}")
    return images


def _slices(rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    size = max(1, SLICE_NUMBERS // rows.shape[1])
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _converted(rows: npt.NDArray[Any], name: str, spec: ModelSpec) -> npt.NDArray[np.uint8]:
    """Return uint8 of `rows`, whose numbers are pixels if they are integers, or in the range of the card."""
    if rows.dtype == np.uint8:
        return rows
    factor, offset = (np.array([1.0]), np.array([0.0])) if rows.dtype.kind in "iu" else _to_pixels(spec)
    repeated = rows.shape[1] // len(factor)
    factors, offsets = np.tile(factor, repeated), np.tile(offset, repeated)
    parts = []
    for part in _slices(rows):
        pixels = part.astype(np.float64) * factors + offsets
        if not (pixels.min() >= -ROUNDING and pixels.max() <= 255 + ROUNDING):  # also for NaN
            raise BadParameter(f"{name} has values from {part.min():g} to {part.max():g}, expected {_expected(spec)}")
        parts.append(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8))
    return np.concatenate(parts)


def _to_pixels(spec: ModelSpec) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return factor and offset, for all channels or for each, that make pixels of a card's values."""
    values = spec.input.values
    if isinstance(values, Normalization):
        return np.array(values.std) * 255, np.array(values.mean) * 255
    black, white = RANGES[values]
    factor = 255 / (white - black)
    return np.array([factor]), np.array([-black * factor])


def _expected(spec: ModelSpec) -> str:
    values = spec.input.values
    if isinstance(values, Normalization):
        floats = f"(pixel / 255 - {list(values.mean)}) / {list(values.std)}"
    else:
        floats = "floats from {:g} to {:g}".format(*RANGES[values])
    return f"integers from 0 to 255, or {floats}"
