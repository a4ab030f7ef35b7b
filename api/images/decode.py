"""Decodes an image file into uint8[28,28], with white strokes on black as in MNIST."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from api.images.bulk_threads import in_bulk_thread
from api.images.exif import orientation_of, upright
from api.images.file_structure import check_structure
from api.images.levels import MIN_CONTRAST, levels_of_file, no_contrast, require_contrast
from api.images.magic import has_zero_bytes, hint_for
from api.images.pixel_budget import MAX_FILE_PIXELS
from api.images.plain_png import plain_pixels
from shared.contract.job import NumberLine
from shared.errors import BadImage, RequestError
from shared.shapes import IMAGE_SIDE

FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")
SIZE = (IMAGE_SIDE, IMAGE_SIDE)
DARK = 128  # ink below this grey level is dark
MAX_SPECKS = 0.02  # fraction of the ink that may have the other brightness: specks and edges
# Keys of Pillow's `info`: with one of them, grey pixels may have to be composited or rotated.
NEEDS_CONVERSION = {"transparency", "exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}

FAST_BYTES = 4 << 10  # an MNIST image has about 300. Pillow parses tags, chunks and markers in Python, which is slow
COMPRESSED_CHUNKS = (b"iCCP", b"iTXt", b"zTXt")  # PNG chunks that can unpack to a thousand times their size

Image.MAX_IMAGE_PIXELS = MAX_FILE_PIXELS // 2  # Pillow refuses files of twice as many pixels
PngImagePlugin.MAX_TEXT_MEMORY = 4 << 20  # limit of a PNG's unpacked texts in bytes; Pillow's default is 64 MiB
warnings.filterwarnings("ignore", module=r"PIL\.")  # warnings about metadata that Pillow repairs or skips


@dataclass(frozen=True, slots=True)
class Picture:
    """One image file of an upload: its 784 pixels, or the reason why it could not be decoded.

    A picture of a number has the line of the `number`, and the pixels of its windows.
    """

    name: str
    pixels: bytes | None
    error: str = ""
    number: NumberLine | None = None


T = TypeVar("T")
ReadPicture = Callable[[str, bytes], Picture]


def is_fast(data: bytes) -> bool:
    """Return whether decoding takes a few milliseconds at most. A crafted file of 1 MiB can take seconds."""
    return len(data) <= FAST_BYTES and not any(name in data for name in COMPRESSED_CHUNKS)


def decode_image(data: bytes) -> bytes:
    """Return the 784 pixels of a 28×28 image file, row by row. Of several frames, only the first counts.

    The size is checked when only the header has been read, so that no huge picture is ever unpacked.
    Raises BadImage with the reason, also for an image without contrast.
    """
    pixels = plain_pixels(data) or process_image(data, _exact_pixels)
    require_contrast(pixels)
    return pixels


def process_image(data: bytes, use: Callable[[Image.Image], T]) -> T:
    """Open the image in `data` and return `use(image)`. The image is not unpacked yet. Raises BadImage."""
    if not data:
        raise BadImage("the body is empty, expected an image file")
    if not has_zero_bytes(data):  # libjpeg would show something
        raise BadImage(f"the body ({len(data)} bytes) is not an image in any of {', '.join(FORMATS)}{hint_for(data)}")
    if len(data) > FAST_BYTES:
        check_structure(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return use(image)
    except RequestError:
        raise
    except UnidentifiedImageError:
        names = ", ".join(FORMATS)
        raise BadImage(f"the body ({len(data)} bytes) is not an image in any of {names}{hint_for(data)}") from None
    except Image.DecompressionBombError:
        raise BadImage(f"the image has more than {MAX_FILE_PIXELS} pixels: scale it down") from None
    except Exception as error:  # Pillow's readers share no error for damaged data
        reason = str(error) or type(error).__name__
        raise BadImage(f"a damaged or truncated image: {reason}{hint_for(data)}") from None


def read_picture(name: str, data: bytes) -> Picture:
    """Decode one image file of an upload. The result carries the error if there is one."""
    try:
        return Picture(name, decode_image(data))
    except BadImage as error:
        return Picture(name, None, error.detail)


async def read_picture_in_thread(name: str, data: bytes, read: ReadPicture = read_picture) -> Picture:
    """Return `read(name, data)`, called in a thread unless it is fast."""
    if read is read_picture and is_fast(data):
        return read(name, data)
    return await in_bulk_thread(read, name, data)


def _exact_pixels(image: Image.Image) -> bytes:
    if image.size != SIZE:
        raise BadImage(f"expected a 28×28 image, got {image.width}×{image.height}; ?fit=digit takes any size")
    image.load()
    return _grey_pixels(image)


def _grey_pixels(image: Image.Image) -> bytes:
    if image.mode == "L" and not image.info.keys() & NEEDS_CONVERSION:
        return image.tobytes()
    white_is_zero = _white_is_zero(image)
    image = upright(image, orientation_of(image))
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _wide_pixels(image, white_is_zero)
    if image.has_transparency_data:
        return _composite(image.convert("RGBA"))
    return image.convert("L").tobytes()


def _composite(image: Image.Image) -> bytes:
    """Composite onto black, as in MNIST. If the visible pixels are dark, they are the ink, so they become white.

    The colour of a nearly transparent pixel says little: at the edges of a scaled picture, it is mixed with the colour
    that the transparent ground happens to have. Where all ink is dark or all is light, edges get the colour of the ink.
    Otherwise, the visible pixels next to the ground show what it was: lighter ones than inside mean ink on paper.
    """
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255  # float32[28,28]
    grey = np.asarray(image.convert("RGB").convert("L"), np.float32)
    if alpha.max() > 0 and alpha.min() < 1:
        visible = np.where(alpha >= alpha.max() / 2, alpha, 0)
        light = float(visible[grey >= DARK].sum() / visible.sum())
        ink = float((grey * visible).sum() / visible.sum())
        if light <= MAX_SPECKS:
            grey = 255 - np.minimum(grey, ink)
        elif light >= 1 - MAX_SPECKS:
            grey = np.maximum(grey, ink)
        elif _is_lighter_at_the_edge(grey, visible > 0):
            grey = 255 - grey
    pixels = np.rint(np.clip(grey * alpha, 0, 255)).astype(np.uint8)
    return pixels.tobytes()


def _is_lighter_at_the_edge(grey: npt.NDArray[np.float32], visible: npt.NDArray[np.bool_]) -> bool:
    """Return whether visible pixels are lighter next to invisible ones, as after a white ground was removed."""
    padded = np.pad(visible, 1, constant_values=True)
    enclosed = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    inside, edge = visible & enclosed, visible & ~enclosed
    return bool(inside.any() and edge.any() and grey[edge].mean() > grey[inside].mean())


def _wide_pixels(image: Image.Image, white_is_zero: bool) -> bytes:
    """Convert 16 bits, 32 bits or floats. Raises BadImage if their range is not certain, or has no contrast."""
    values = np.asarray(image)
    levels = levels_of_file(values)
    low, high = float(values.min()), float(values.max())
    if (high - low) * 255 < MIN_CONTRAST * (levels.white - levels.black):
        raise BadImage(no_contrast(low, high, levels.white))
    pixels = levels.pixels(values)
    return (255 - pixels if white_is_zero else pixels).tobytes()


def _white_is_zero(image: Image.Image) -> bool:
    """Return whether a TIFF has inverted values. Pillow inverts only those of 8 bits."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0)
