"""Random affine and elastic distortions of training images, a whole batch in one operation.

The elastic distortion follows Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks" (2003).
Instead of smoothing noise of the image's size, it enlarges a coarse grid of noise to that size.
"""

import math

import tensorflow as tf

from shared.images import IMAGE_SIDE

MAX_ROTATION_RAD = math.radians(15)
MAX_SCALE = 0.17  # each axis is scaled by 0.83 to 1.17
MAX_SHEAR = 0.18
MAX_SHIFT_PX = 2.2
ELASTIC_GRID = 5  # points per side
ELASTIC_PX = 0.6  # standard deviation of the shift of a point
_LAST = IMAGE_SIDE - 1.0


def distort(images: tf.Tensor, seed: tf.Tensor, strength: float = 1.0) -> tf.Tensor:
    """Rotate, scale, shear, shift and bend each image of float32[N,28,28,1] by random amounts, in one resampling.

    The same `seed` int64[2] gives the same distortions. `strength` scales all amounts.
    """
    count = tf.shape(images)[0]
    x, y = _affine_positions(count, seed, strength)
    bend = strength * _elastic_shifts(count, seed + tf.constant([0, 1 << 32], tf.int64))
    return _sample(images, x + bend[..., 0], y + bend[..., 1])


def _affine_positions(count: tf.Tensor, seed: tf.Tensor, strength: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the source position of each output pixel, as x and y float32[count,28,28]."""
    draws = tf.random.stateless_uniform((6, count, 1, 1), seed, -strength, strength)
    angle, shear, scale_x, scale_y, shift_x, shift_y = tf.unstack(draws)
    angle, shear = angle * MAX_ROTATION_RAD, shear * MAX_SHEAR
    width, height = 1 / (1 + scale_x * MAX_SCALE), 1 / (1 + scale_y * MAX_SCALE)
    cos, sin = tf.cos(angle), tf.sin(angle)
    centred = tf.range(IMAGE_SIDE, dtype=tf.float32) - _LAST / 2
    across, down = centred[None, None, :], centred[None, :, None]
    # rotation · shear · scale
    x = width * cos * across + height * (shear * cos - sin) * down
    y = width * sin * across + height * (shear * sin + cos) * down
    return x + _LAST / 2 + shift_x * MAX_SHIFT_PX, y + _LAST / 2 + shift_y * MAX_SHIFT_PX


def _elastic_shifts(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return smooth shifts in pixels, float32[count,28,28,2]."""
    coarse = tf.random.stateless_normal((count, ELASTIC_GRID, ELASTIC_GRID, 2), seed, stddev=ELASTIC_PX)
    return tf.image.resize(coarse, (IMAGE_SIDE, IMAGE_SIDE), "bicubic")


def _sample(images: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return bilinear samples float32[N,28,28,1] at x and y float32[N,28,28]. Pixels outside the image are 0."""
    padded = tf.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    side = IMAGE_SIDE + 2
    x = tf.clip_by_value(x + 1, 0.0, side - 1.001)
    y = tf.clip_by_value(y + 1, 0.0, side - 1.001)
    left, top = tf.floor(x), tf.floor(y)
    across, down = x - left, y - top
    corner = tf.cast(top, tf.int32) * side + tf.cast(left, tf.int32)
    flat = tf.reshape(padded, (-1, side * side))

    def at(offset: int) -> tf.Tensor:
        return tf.gather(flat, tf.reshape(corner + offset, (-1, IMAGE_SIDE * IMAGE_SIDE)), batch_dims=1)

    across, down = (tf.reshape(share, (-1, IMAGE_SIDE * IMAGE_SIDE)) for share in (across, down))
    upper = at(0) * (1 - across) + at(1) * across
    lower = at(side) * (1 - across) + at(side + 1) * across
    return tf.reshape(upper * (1 - down) + lower * down, (-1, IMAGE_SIDE, IMAGE_SIDE, 1))
