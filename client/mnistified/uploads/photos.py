"""Photos are scaled down before they are sent, if Pillow is installed: the service needs few of their pixels."""

import importlib
import importlib.util
import io
from typing import Any

LARGE_BYTES = 1 << 20  # smaller files are sent unchanged
MAX_SIDE_PX = 1600  # size of the picture that is sent
QUALITY = 92
HEIF = b"ftyp"  # at offset 4 of HEIC and AVIF files, which the service does not read


def sendable(content: bytes) -> bytes:
    """Return an image file that is large or in a phone's own format as a smaller JPEG, and other files unchanged."""
    if len(content) <= LARGE_BYTES and content[4:8] != HEIF:
        return content
    if importlib.util.find_spec("PIL") is None:
        return content
    pillow: Any = importlib.import_module("PIL.Image")
    try:
        with pillow.open(io.BytesIO(content)) as image:
            return _small_jpeg(image)
    except Exception:  # not an image, or one that Pillow does not read: the service says so
        return content


def _small_jpeg(image: Any) -> bytes:
    operations: Any = importlib.import_module("PIL.ImageOps")
    image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))  # makes a JPEG unpack only as many pixels as are needed
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    upright = operations.exif_transpose(image)
    if upright.mode not in ("L", "RGB"):
        if upright.has_transparency_data or upright.mode.startswith("I") or upright.mode == "F":
            return _png(upright)
        upright = upright.convert("RGB")
    file = io.BytesIO()
    upright.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _png(image: Any) -> bytes:
    """Return a picture as PNG or TIFF, which keep what JPEG cannot hold."""
    file = io.BytesIO()
    image.save(file, "TIFF" if image.mode == "F" else "PNG")
    return file.getvalue()
