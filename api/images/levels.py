"""Recognizes which numbers of an image mean black and white, and converts them to grey levels from 0 to 255.

Files and arrays rarely say what their numbers mean: 16 bits may hold 8, 10 or 12 bits of a sensor, and floats may range
from 0 to 1, from 0 to 255, or around zero. A range that is not recognized is refused and named, because the wrong range
turns every image black, and the model answers black images like any other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import BadImage
from shared.images import Images

MIN_CONTRAST = 32  # grey levels between the darkest and the lightest pixel; MNIST's images have at least 254
BIT_DEPTHS = (8, 10, 12, 14, 16)  # usual for scanners and sensors
OVERSHOOT = 0.1  # fraction of the range by which resampling in floats exceeds it
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # for pixels from 0 to 1; examples on the web normalize with these numbers
EXACT = 0.01  # tolerance for the limits of a range around zero
CENTRED = 0.02  # how far the mean may be from zero, as a fraction of the range
UNIT_STD = 0.1  # how far a standard deviation may be from 1
SLICE = 1 << 20  # numbers converted at a time
EXPECTED = "expected 0 to 255, 0 to 1, 16 bits, or a common normalization"
_FAINT = bytes(range(MIN_CONTRAST))

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Levels:
    """The numbers that mean black and white."""

    black: float
    white: float

    def pixels(self, values: Numbers) -> npt.NDArray[np.uint8]:
        """Convert the numbers to uint8 of the same shape."""
        if values.dtype == np.uint8 and self == BYTE:
            return values
        if values.dtype.kind in "iu" and self.white >= BYTE.white:  # the high byte counts
            above_black, steps = values.astype(np.int64) - int(self.black), int(self.white - self.black + 1)
            return np.clip(above_black * 256 // steps, 0, 255).astype(np.uint8)
        scaled = (values.astype(np.float64) - self.black) * (255 / (self.white - self.black))
        pixels: npt.NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
        return pixels

    def hold(self, values: Numbers) -> bool:
        """Return whether all numbers are within the range, apart from the overshoot of resampling."""
        margin = OVERSHOOT * (self.white - self.black)
        return self.black - margin <= float(values.min()) and float(values.max()) <= self.white + margin


BINARY = Levels(0, 1)
SIGNED_16_BITS = Levels(1 << 15, (1 << 16) - 1)  # signed numbers from 0 on, stored as unsigned ones
BYTE = Levels(0, 255)
UNIT = (Levels(-1, 1), Levels(-0.5, 0.5))


def levels_of_array(values: Numbers) -> Levels:
    """Return the levels of an array of booleans, integers or floats. Integers 0 and 1 mean black and white.

    Raises BadImage with the range of the numbers if their meaning is not certain.
    """
    if values.dtype.kind == "b" or (values.dtype.kind in "iu" and values.min() == 0 and values.max() == 1):
        return BINARY
    return levels_of_file(values)


def levels_of_pictures(values: Numbers) -> Levels:
    """Return the levels of an array of any pictures, which may be nearly black, or have few of the possible levels.

    Bytes are grey levels, and floats range from 0 to 1, 0 to 255, -1 to 1, or -0.5 to 0.5. Raises BadImage for others.
    """
    if values.dtype == np.uint8:
        return BYTE
    if values.dtype.kind == "b":
        return BINARY
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "i" or not low < 0:
        return levels_of_file(values)
    for levels in UNIT:
        if _begin_and_end(low, high, levels):
            return levels
    raise BadImage(f"the values range from {low:g} to {high:g}: send pixels from 0 to 255, or floats from 0 to 1")


def levels_of_file(values: Numbers) -> Levels:
    """Return the levels of an image file of integers or floats. Integers 0 and 1 are the noise of a black image.

    Raises BadImage with the range of the numbers if their meaning is not certain.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise BadImage("the image has pixels that are infinite or not a number (NaN)")
    levels = _float_levels(values, low, high) if values.dtype.kind == "f" else _integer_levels(values, low, high)
    if levels is None:
        raise BadImage(f"the values range from {low:g} to {high:g}, whose meaning is not certain: {EXPECTED}")
    return levels


def _integer_levels(values: Numbers, low: float, high: float) -> Levels | None:
    if low == -128 and high <= 127:
        return Levels(-128, 127)
    # 8 bits, shifted to 16, may begin at 32768, too: mid-grey. Then all numbers are multiples of 256.
    if low == SIGNED_16_BITS.black and high <= SIGNED_16_BITS.white and (values % 256).any():
        return SIGNED_16_BITS
    return _bits(high) if low >= 0 else None


def _bits(high: float) -> Levels | None:
    """Return the range of the fewest bits that hold `high`: in more bits, the image would be nearly black."""
    whites = (2**bits - 1 for bits in BIT_DEPTHS)
    return next((Levels(0, white) for white in whites if high <= white), None)


def _float_levels(values: Numbers, low: float, high: float) -> Levels | None:
    around_zero = _levels_around_zero(values, low, high) if low < 0 else None
    known = next((levels for levels in (BINARY, BYTE) if levels.hold(values)), None)
    return around_zero or known or (_bits(high) if low >= 0 else None)


def _levels_around_zero(values: Numbers, low: float, high: float) -> Levels | None:
    """Recognize the usual normalizations by their limits, and others by a mean of zero."""
    mnist = Levels(-MNIST_MEAN / MNIST_STD, (1 - MNIST_MEAN) / MNIST_STD)
    for levels in (*UNIT, Levels(-128, 128), mnist):
        if _begin_and_end(low, high, levels):
            return levels
    span = high - low
    if abs(float(values.mean(dtype=np.float64))) > CENTRED * span:
        return None
    if span <= 1 + EXACT:
        return Levels(low, low + 1)
    if abs(_std(values) - 1) <= UNIT_STD:
        return Levels(low, high)
    return Levels(low, low + 255) if span <= 255 * (1 + EXACT) else None


def _begin_and_end(low: float, high: float, levels: Levels) -> bool:
    """Return whether the numbers begin at black, and end at white or below it."""
    tolerance = EXACT * (levels.white - levels.black)
    return abs(low - levels.black) <= tolerance and high <= levels.white + tolerance


def _std(values: Numbers) -> float:
    """Return the standard deviation. numpy's own would take 8 bytes per number, for a body of tensors 128 MiB."""
    flat = values.reshape(-1)
    mean = float(flat.mean(dtype=np.float64))
    parts = (flat[start : start + SLICE].astype(np.float64) - mean for start in range(0, len(flat), SLICE))
    return float((sum(float(part @ part) for part in parts) / len(flat)) ** 0.5)


def has_contrast(pixels: bytes) -> bool:
    """Return whether the pixels differ enough. The model would answer other images with confidence, too."""
    if 0 in pixels and (255 in pixels or pixels.translate(None, _FAINT)):  # nearly all images of digits
        return True
    return max(pixels) - min(pixels) >= MIN_CONTRAST


def require_contrast(pixels: bytes) -> None:
    """Raise BadImage if the pixels are nearly equal."""
    if not has_contrast(pixels):
        raise BadImage(no_contrast(min(pixels), max(pixels)))


def no_contrast(low: float, high: float, white: float = 255) -> str:
    return (
        f"no contrast: the grey levels range from {low:g} to {high:g} of {white:g}; "
        "if there are strokes in this image, stretch its levels to the whole range"
    )


def faint_images(images: Images) -> dict[int, str]:
    """Return the reason for each image of uint8[N,28,28] without contrast, by its position."""
    rows = images.reshape(len(images), -1)
    lows, highs = rows.min(1), rows.max(1)
    faint = np.flatnonzero(highs.astype(np.int64) - lows < MIN_CONTRAST)
    return {int(position): no_contrast(int(lows[position]), int(highs[position])) for position in faint}
