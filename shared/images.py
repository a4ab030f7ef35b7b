"""The image type of the service: `uint8[height,width]` in grey, and `uint8[height,width,3]` in colour.

MNIST's images have 28×28 pixels, white strokes on black.
"""

import numpy as np
import numpy.typing as npt

from shared.shapes import MNIST_SHAPE, Shape

Images = npt.NDArray[np.uint8]  # uint8[N,height,width] or uint8[N,height,width,3]
Probabilities = npt.NDArray[np.float32]  # float32[N,K], of K labels; MNIST has CLASSES


def images_from_pixels(pixels: bytes | bytearray | memoryview, shape: Shape = MNIST_SHAPE) -> Images:
    """View row-major pixels as images without a copy. Raises ValueError unless they are whole images."""
    height, width, channels = shape
    values = np.frombuffer(pixels, np.uint8)
    return values.reshape(-1, height, width) if channels == 1 else values.reshape(-1, height, width, channels)
