"""The conversion of an image to the bytes of an image file."""

import io
import os
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, runtime_checkable

from mnistified.uploads.arrays import SIDE, grey, uint8_view
from mnistified.uploads.photos import sendable
from mnistified.uploads.png import write_png

# Modes of Pillow that PNG supports; TIFF supports the rest.
PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


@runtime_checkable
class PilImage(Protocol):
    """The part of a Pillow image that this module uses."""

    mode: str

    def save(self, fp: Any, format: str | None = None) -> None: ...


# An array, a tensor or nested lists of numbers, a Pillow image, a path, the bytes of a file, or an open file.
Picture: TypeAlias = Any


def image_file(image: Picture, any_size: bool = False, any_model: bool = False) -> bytes:
    """Return `image` as the bytes of an image file. With `any_size`, an array may have any size, and photos are scaled.

    With `any_model`, an array may have any size, too, and the colours of uint8[H,W,3] are kept.
    Raises TypeError or ValueError for an invalid image, OSError for a file that cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        content = Path(image).read_bytes()
    elif isinstance(image, bytes | bytearray):
        content = bytes(image)
    elif isinstance(image, PilImage):
        content = _encode(image)
    elif hasattr(image, "read"):
        content = _read(image)
    else:
        return _png_of(image, any_size or any_model, colour=any_model)
    return sendable(content) if any_size else content


def _png_of(image: object, any_size: bool, colour: bool = False) -> bytes:
    pixels = uint8_view(image)
    if pixels is None:
        expected = f"[{SIDE},{SIDE}], a Pillow image, a path, bytes or an open file"
        raise TypeError(f"expected an array of {expected}, got {type(image).__name__}")
    shape = pixels.shape or ()
    if any_size and len(shape) == 3 and shape[2] == 3:
        if colour:
            return write_png(pixels.tobytes(), width=shape[1], height=shape[0], channels=3)
        pixels, shape = grey(pixels), shape[:2]
    height_width = _height_width(shape, any_size)
    if height_width is None:
        expected = "[H,W]" if any_size else f"[{SIDE},{SIDE}]"
        raise ValueError(f"expected an image of {expected}, got shape {list(shape)}")
    return write_png(pixels.tobytes(), width=height_width[1], height=height_width[0])


def _height_width(shape: tuple[int, ...], any_size: bool) -> tuple[int, int] | None:
    """Return the size of a grey image, whose array may have axes of length 1, or None for other shapes."""
    if not all(shape):
        return None
    if shape == (SIDE * SIDE,):
        return SIDE, SIDE
    axes = [length for length in shape if length > 1] if len(shape) > 2 else list(shape)
    if len(axes) != 2 or (axes != [SIDE, SIDE] and not any_size):
        return None
    return axes[0], axes[1]


def _encode(image: PilImage) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG" if image.mode in PNG_MODES else "TIFF")
    return file.getvalue()


def _read(file: IO[Any]) -> bytes:
    content = file.read()
    if not isinstance(content, bytes):
        raise TypeError("expected a file opened in binary mode, got one in text mode")
    return content
