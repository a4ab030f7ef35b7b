"""Random affine distortions of training images, a whole batch in one operation."""

import math

import tensorflow as tf

from shared.images import IMAGE_SIDE

MAX_ROTATION_RAD = math.radians(15)
MAX_SCALE = 0.17  # each axis by 0.83 to 1.17
MAX_SHEAR = 0.18
MAX_SHIFT_PX = 2.2


def distort(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotate, scale, shear and shift each of float32[N,28,28,1] by its own random amounts.

    `seed` int64[2] decides all of them: the same seed distorts the same way.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=_random_transforms(tf.shape(images)[0], seed),
        output_shape=(IMAGE_SIDE, IMAGE_SIDE),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _random_transforms(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw float32[count,8]: rows (a0, a1, a2, b0, b1, b2, 0, 0) that take output (x, y) to the input
    (a0 x + a1 y + a2, b0 x + b1 y + b2), about the image's centre."""
    draws = tf.unstack(tf.random.stateless_uniform((count, 6), seed, -1.0, 1.0), axis=1)
    angle, shear, scale_x, scale_y, shift_x, shift_y = draws
    angle, shear = angle * MAX_ROTATION_RAD, shear * MAX_SHEAR
    width, height = 1 / (1 + scale_x * MAX_SCALE), 1 / (1 + scale_y * MAX_SCALE)
    cos, sin = tf.cos(angle), tf.sin(angle)
    # rotation · shear · scale
    a0, a1 = width * cos, height * (shear * cos - sin)
    b0, b1 = width * sin, height * (shear * sin + cos)
    centre = (IMAGE_SIDE - 1) / 2
    a2 = centre * (1 - a0 - a1) + shift_x * MAX_SHIFT_PX
    b2 = centre * (1 - b0 - b1) + shift_y * MAX_SHIFT_PX
    zero = tf.zeros_like(angle)
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
