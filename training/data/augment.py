"""Random affine and elastic distortions of training images, a whole batch in one operation, on any backend of Keras.

The elastic distortion follows Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks" (2003).
Instead of smoothing noise of the image's size, it enlarges a coarse grid of noise to that size.
The resampling blurs: SMOOTHING in `training/architecture.py` depends on how much.
"""

import math
from typing import Any

import keras
from keras import ops

from shared.shapes import IMAGE_SIDE

MAX_ROTATION_RAD = math.radians(15)
MAX_SCALE = 0.17  # each axis is scaled by 0.83 to 1.17
MAX_SHEAR = 0.18
MAX_SHIFT_PX = 2.2
ELASTIC_GRID = 5  # points per side
ELASTIC_PX = 0.6  # standard deviation of the shift of a point
DRAWS = 2  # draws from the seeds per batch: a resumed training skips those of the batches before
_LAST = IMAGE_SIDE - 1.0
Tensor = Any  # a tensor of the backend


def distort(images: Tensor, seeds: keras.random.SeedGenerator, strength: float = 1.0) -> Tensor:
    """Rotate, scale, shear, shift and bend each image of float32[N,28,28,1] by random amounts, in one resampling.

    The same state of `seeds` gives the same distortions. `strength` scales all amounts.
    """
    count = ops.shape(images)[0]
    x, y = _affine_positions(count, seeds, strength)
    bend = strength * _elastic_shifts(count, seeds)
    return _sample(images, x + bend[..., 0], y + bend[..., 1])


def _affine_positions(count: Tensor, seeds: keras.random.SeedGenerator, strength: float) -> tuple[Tensor, Tensor]:
    """Return the source position of each output pixel, as x and y float32[count,28,28]."""
    draws = strength * keras.random.uniform((6, count, 1, 1), -1.0, 1.0, seed=seeds)
    angle, shear, scale_x, scale_y, shift_x, shift_y = ops.unstack(draws, 6)
    angle, shear = angle * MAX_ROTATION_RAD, shear * MAX_SHEAR
    width, height = 1 / (1 + scale_x * MAX_SCALE), 1 / (1 + scale_y * MAX_SCALE)
    cos, sin = ops.cos(angle), ops.sin(angle)
    centred = ops.arange(IMAGE_SIDE, dtype="float32") - _LAST / 2
    across, down = centred[None, None, :], centred[None, :, None]
    # rotation · shear · scale
    x = width * cos * across + height * (shear * cos - sin) * down
    y = width * sin * across + height * (shear * sin + cos) * down
    return x + _LAST / 2 + shift_x * MAX_SHIFT_PX, y + _LAST / 2 + shift_y * MAX_SHIFT_PX


def _elastic_shifts(count: Tensor, seeds: keras.random.SeedGenerator) -> Tensor:
    """Return smooth shifts in pixels, float32[count,28,28,2]."""
    coarse = keras.random.normal((count, ELASTIC_GRID, ELASTIC_GRID, 2), stddev=ELASTIC_PX, seed=seeds)
    return ops.image.resize(coarse, (IMAGE_SIDE, IMAGE_SIDE), "bicubic", data_format="channels_last")


def _sample(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return bilinear samples float32[N,28,28,1] at x and y float32[N,28,28]. Pixels outside the image are 0."""
    padded = ops.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    side = IMAGE_SIDE + 2
    x = ops.clip(x + 1, 0.0, side - 1.001)
    y = ops.clip(y + 1, 0.0, side - 1.001)
    left, top = ops.floor(x), ops.floor(y)
    across, down = x - left, y - top
    corner = ops.reshape(ops.cast(top, "int32") * side + ops.cast(left, "int32"), (-1, IMAGE_SIDE * IMAGE_SIDE))
    flat = ops.reshape(padded, (-1, side * side))

    def at(offset: int) -> Tensor:
        return ops.take_along_axis(flat, corner + offset, axis=1)

    across, down = (ops.reshape(share, (-1, IMAGE_SIDE * IMAGE_SIDE)) for share in (across, down))
    upper = at(0) * (1 - across) + at(1) * across
    lower = at(side) * (1 - across) + at(side + 1) * across
    return ops.reshape(upper * (1 - down) + lower * down, (-1, IMAGE_SIDE, IMAGE_SIDE, 1))
