"""The conversion of arrays, tensors and lists of numbers to uint8. NumPy is used if the caller's program has it."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

SIDE = 28
IMAGE_PIXELS = SIDE * SIDE
# Numbers that mean black and white: pixels, fractions, and the usual normalizations, the last one that of MNIST.
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081
RANGES = ((0, 1), (0, 255), (-1, 1), (-0.5, 0.5), (-MNIST_MEAN / MNIST_STD, (1 - MNIST_MEAN) / MNIST_STD))
TOLERANCE = 0.01  # fraction of a range
GREY_WEIGHTS = (0.299, 0.587, 0.114)  # for red, green and blue
SLICE_PIXELS = 1 << 22  # converted at a time


def uint8_view(array: object) -> memoryview | None:
    """Return the pixels of an array, a tensor or nested lists as uint8 of the same shape, or None for other objects.

    An array of uint8 is not copied. Raises ValueError for numbers whose meaning is not certain.
    """
    if isinstance(array, bytes | bytearray | str):
        return None
    if (view := direct_view(array)) is not None:
        return view
    if not hasattr(array, "__array__") and not _is_list_of_numbers(array):
        return None
    values = _numpy().asarray(_on_cpu(array))
    if values.dtype.kind not in "biuf" or not values.size:
        raise ValueError(f"expected an array of numbers, got {values.dtype}{list(values.shape)}")
    if values.dtype == "uint8":
        return memoryview(values)
    return memoryview(_scaled(values))


def direct_view(array: object) -> memoryview | None:
    """Return the memory of an array of uint8, or None for other objects."""
    try:
        view = memoryview(array)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        return None
    return view if view.format == "B" else None


def uint8_stack(images: Sequence[object]) -> memoryview:
    """Return uint8[N,28,28] of N arrays of one image each. Raises ValueError as `uint8_view` does."""
    numpy = _numpy()
    view = uint8_view(numpy.stack([numpy.asarray(_on_cpu(image)).reshape(SIDE, SIDE) for image in images]))
    assert view is not None, "the stack is an array"
    return view


def grey(view: memoryview) -> memoryview:
    """Return uint8[H,W] of uint8[H,W,3], which holds colours."""
    colours = _numpy().asarray(view)
    return memoryview((colours @ _numpy().array(GREY_WEIGHTS) + 0.5).astype("uint8"))


def _is_list_of_numbers(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, int | float)


def _on_cpu(tensor: Any) -> Any:
    """Return a tensor of PyTorch without its gradient and in the memory of the CPU, and other objects unchanged."""
    if hasattr(tensor, "detach") and hasattr(tensor, "cpu"):
        return tensor.detach().cpu()
    return tensor


def _scaled(values: Any) -> Any:
    numpy = _numpy()
    black, white = _range_of(values)
    pixels = numpy.empty(values.shape, "uint8")
    flat, rest = pixels.reshape(-1), values.reshape(-1)
    for start in range(0, len(flat), SLICE_PIXELS):
        part = (rest[start : start + SLICE_PIXELS].astype("float64") - black) * (255 / (white - black))
        flat[start : start + SLICE_PIXELS] = numpy.rint(numpy.clip(part, 0, 255))
    return pixels


def _range_of(values: Any) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "b" or (low == 0 and high == 1):
        return 0, 1
    for black, white in RANGES:
        slack = TOLERANCE * (white - black)
        starts = low >= 0 if black == 0 else abs(low - black) <= slack
        if starts and high <= white + slack:
            return black, white
    raise ValueError(
        f"the pixels range from {low:g} to {high:g}, whose meaning is not certain: pass 0 to 255 or 0 to 1"
    )


def _numpy() -> Any:
    if importlib.util.find_spec("numpy") is None:
        raise ValueError("lists and arrays other than uint8 need NumPy, which is not installed: pip install numpy")
    return importlib.import_module("numpy")
