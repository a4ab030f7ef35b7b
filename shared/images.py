"""The image type of the service: `uint8[height,width]` in grey, and `uint8[height,width,3]` in colour.

MNIST's images have 28×28 pixels, white strokes on black.
"""

import numpy as np
import numpy.typing as npt

IMAGE_SIDE = 28
IMAGE_BYTES = IMAGE_SIDE * IMAGE_SIDE
CLASSES = 10

Shape = tuple[int, int, int]  # height, width, channels
MNIST_SHAPE: Shape = (IMAGE_SIDE, IMAGE_SIDE, 1)

Images = npt.NDArray[np.uint8]  # uint8[N,height,width] or uint8[N,height,width,3]
Probabilities = npt.NDArray[np.float32]  # float32[N,K], of K labels; MNIST has CLASSES


def axes_of(shape: Shape) -> tuple[int, ...]:
    """Return the shape of an image's array: grey images have no axis for their channel."""
    return shape[:2] if shape[2] == 1 else shape


def images_from_pixels(pixels: bytes | bytearray | memoryview, shape: Shape = MNIST_SHAPE) -> Images:
    """View row-major pixels as images without a copy. Raises ValueError unless they are whole images."""
    return np.frombuffer(pixels, np.uint8).reshape(-1, *axes_of(shape))
