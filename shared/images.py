"""The image type of the service: `uint8[28,28]`, white strokes on black."""

import numpy as np
import numpy.typing as npt

IMAGE_SIDE = 28
IMAGE_BYTES = IMAGE_SIDE * IMAGE_SIDE
CLASSES = 10

Images = npt.NDArray[np.uint8]  # uint8[N,28,28]
Probabilities = npt.NDArray[np.float32]  # float32[N,10]


def images_from_pixels(pixels: bytes | bytearray | memoryview) -> Images:
    """View row-major pixels as images without a copy. Raises ValueError unless the length is a multiple of 784."""
    return np.frombuffer(pixels, np.uint8).reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
