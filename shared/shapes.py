"""The shape of an image, without its pixels: (height, width, channels)."""

IMAGE_SIDE = 28  # pixels of MNIST's images
IMAGE_BYTES = IMAGE_SIDE * IMAGE_SIDE
CLASSES = 10

Shape = tuple[int, int, int]  # height, width, channels
MNIST_SHAPE: Shape = (IMAGE_SIDE, IMAGE_SIDE, 1)


def axes_of(shape: Shape) -> tuple[int, ...]:
    """Return the shape of an image's array: grey images have no axis for their channel."""
    return shape[:2] if shape[2] == 1 else shape


# Numbers have a model of their own, which sees a line of digits in windows.
NUMBER_MODEL = "number"
WINDOW_SHAPE: Shape = (28, 40, 1)
MAX_WINDOWS = 96  # one view of a number's line has at most so many
GAP, OTHER = 10, 11  # outputs: no digit in the middle of the window, and a sign that is no digit
WINDOW_LABELS = (*"0123456789", "gap")  # the last output means none of these
WINDOW_OUTPUTS = len(WINDOW_LABELS) + 1
