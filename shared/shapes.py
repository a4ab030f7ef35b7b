"""The shape of an image, without its pixels: (height, width, channels)."""

IMAGE_SIDE = 28  # pixels of MNIST's images
IMAGE_BYTES = IMAGE_SIDE * IMAGE_SIDE
CLASSES = 10

Shape = tuple[int, int, int]  # height, width, channels
MNIST_SHAPE: Shape = (IMAGE_SIDE, IMAGE_SIDE, 1)


def axes_of(shape: Shape) -> tuple[int, ...]:
    """Return the shape of an image's array: grey images have no axis for their channel."""
    return shape[:2] if shape[2] == 1 else shape
