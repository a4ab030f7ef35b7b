"""The conversion of an image to the bytes of an image file. This module needs neither NumPy nor Pillow."""

import io
import os
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, runtime_checkable

from mnistified.uploads.png import write_png

SIDE = 28
# Modes of Pillow that PNG supports; TIFF supports the rest.
PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


@runtime_checkable
class PilImage(Protocol):
    """The part of a Pillow image that this module uses."""

    mode: str

    def save(self, fp: Any, format: str | None = None) -> None: ...


# An object with the buffer protocol of uint8[28,28], a Pillow image, a path, the bytes of a file, or an open file.
Picture: TypeAlias = Any


def image_file(image: Picture, any_size: bool = False) -> bytes:
    """Return `image` as the bytes of an image file. With `any_size`, an array may be uint8[H,W].

    Raises TypeError or ValueError for an invalid image, OSError for a file that cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray):
        return bytes(image)
    if isinstance(image, PilImage):
        return _encode(image)
    if hasattr(image, "read"):
        return _read(image)
    pixels = array_view(image)
    if pixels is None:
        raise TypeError(
            f"expected uint8[{SIDE},{SIDE}], a Pillow image, a path, bytes or an open file, got {type(image).__name__}"
        )
    shape = pixels.shape or ()
    if len(shape) != 2 or not all(shape) or (shape != (SIDE, SIDE) and not any_size):
        expected = "[H,W]" if any_size else f"[{SIDE},{SIDE}]"
        raise ValueError(f"expected an image of uint8{expected}, got shape {list(shape)}")
    return write_png(pixels.tobytes(), width=shape[1], height=shape[0])


def array_view(array: object) -> memoryview | None:
    """Return the memory of an array of any shape, or None for other objects. Raises ValueError if it is not uint8."""
    if isinstance(array, bytes | bytearray | str):
        return None
    try:
        view = memoryview(array)  # type: ignore[arg-type]
    except TypeError:
        return None
    if view.format != "B":
        raise ValueError(f"expected an array of uint8, got {getattr(array, 'dtype', view.format)}")
    return view


def _encode(image: PilImage) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG" if image.mode in PNG_MODES else "TIFF")
    return file.getvalue()


def _read(file: IO[Any]) -> bytes:
    content = file.read()
    if not isinstance(content, bytes):
        raise TypeError("expected a file opened in binary mode, got one in text mode")
    return content
