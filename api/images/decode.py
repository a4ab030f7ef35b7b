"""From an image file to uint8[28,28] the way MNIST has it: white strokes on black."""

import asyncio
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from api.images.plain_png import plain_pixels
from shared.errors import BadImage
from shared.images import IMAGE_SIDE

FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")
SIZE = (IMAGE_SIDE, IMAGE_SIDE)
DARK = 128  # ink below this grey level is dark
BEYOND_GREY = {"transparency", "exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # in Pillow's `info`

QUICK_BYTES = 4 << 10  # an image of MNIST has some 300; Pillow reads tags, chunks and markers one by one, in Python
PACKED = (b"iCCP", b"iTXt", b"zTXt")  # chunks of a PNG that unpack to up to a thousand times their size

PngImagePlugin.MAX_TEXT_MEMORY = 4 << 20  # bytes that the texts of a PNG may unpack to; Pillow takes 64 MiB
warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata that Pillow repairs or skips


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of an upload of files: its 784 pixels, or the reason that it has none."""

    name: str
    pixels: bytes | None
    error: str = ""


ReadPicture = Callable[[str, bytes], Picture]


def is_quick(data: bytes) -> bool:
    """Whether decoding takes at most a few milliseconds, whatever is in it; 1 MiB can be made to take seconds."""
    return len(data) <= QUICK_BYTES and not any(name in data for name in PACKED)


def decode_image(data: bytes) -> bytes:
    """The 784 pixels of a 28×28 image file, row by row. The first frame, where there are several.

    Only the header is read before the size is checked, so that no huge picture is ever unpacked.
    Raises BadImage with what was wrong.
    """
    return plain_pixels(data) or with_image(data, _exact_pixels)


def with_image(data: bytes, use: Callable[[Image.Image], bytes]) -> bytes:
    """What `use` makes of the image in `data`, of which it is given the header, not unpacked yet. Raises BadImage."""
    if not data:
        raise BadImage("the body is empty, expected an image file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return use(image)
    except BadImage:
        raise
    except UnidentifiedImageError:
        names = ", ".join(FORMATS)
        raise BadImage(f"the body ({len(data)} bytes) is not an image in any of {names}") from None
    except Image.DecompressionBombError as error:
        raise BadImage(f"expected a 28×28 image: {error}") from None
    except Exception as error:  # Pillow's readers share no error for damaged data
        raise BadImage(f"a damaged or truncated image: {str(error) or type(error).__name__}") from None


def read_picture(name: str, data: bytes) -> Picture:
    """An image file of an upload, or why it is none."""
    try:
        return Picture(name, decode_image(data))
    except BadImage as error:
        return Picture(name, None, error.detail)


async def read_picture_aside(name: str, data: bytes, read: ReadPicture = read_picture) -> Picture:
    """What `read` makes of a file, in a thread unless that is quick."""
    if read is read_picture and is_quick(data):
        return read(name, data)
    return await asyncio.to_thread(read, name, data)


def _exact_pixels(image: Image.Image) -> bytes:
    if image.size != SIZE:
        raise BadImage(f"expected a 28×28 image, got {image.width}×{image.height}; ?fit=digit takes any size")
    image.load()
    return _grey_pixels(image)


def _grey_pixels(image: Image.Image) -> bytes:
    if image.mode == "L" and not image.info.keys() & BEYOND_GREY:
        return image.tobytes()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scale_down(np.asarray(image))
    if image.has_transparency_data:
        return _composite(image.convert("RGBA"))
    return image.convert("L").tobytes()


def _composite(image: Image.Image) -> bytes:
    """On black, as in MNIST; but where all that shows is dark, it is the ink that a person sees: it becomes white."""
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255  # float32[28,28]
    grey = np.asarray(image.convert("RGB").convert("L"), np.float32)
    dark_ink = alpha.min() < 1 and grey.max(where=alpha > 0, initial=0) < DARK
    return _to_bytes((255 - grey if dark_ink else grey) * alpha)


def _scale_down(pixels: npt.NDArray[Any]) -> bytes:
    """16 bits a pixel become the high byte; in a wider type they may be 8 or 16 bits, and floats 0 to 1 or 0 to 255."""
    if pixels.dtype.kind == "f":
        grey = np.nan_to_num(pixels)
        return _to_bytes(grey * 255 if grey.max() <= 1 else grey)
    eight_bits = pixels.itemsize > 2 and pixels.max() <= 255
    return _to_bytes(pixels if eight_bits else pixels.astype(np.int64) >> 8)


def _to_bytes(grey: npt.NDArray[Any]) -> bytes:
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    return pixels.tobytes()
