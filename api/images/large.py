"""Converts large pictures without a second copy of all their pixels, and without holding the GIL for long."""

from collections.abc import Callable, Iterator

from PIL import Image

from api.images.file_structure import is_sequential_jpeg
from api.images.pixel_budget import JPEG_FACTOR, WEBP_FACTOR

STRIP_PIXELS = 1 << 20  # converted at a time


def size_factor(image: Image.Image, data: bytes) -> float:
    """Return how many times as many pixels as others the image file `data` may have."""
    if image.format in ("JPEG", "MPO"):
        return JPEG_FACTOR if is_sequential_jpeg(data) else 1
    return WEBP_FACTOR if image.format == "WEBP" else 1


def other_way_for(factor: float) -> str:
    """Return what else could be done with a file that has too many pixels, by what `size_factor` has returned."""
    return "" if factor == JPEG_FACTOR else ", or save it as a baseline JPEG"


def strips_of(image: Image.Image, rows: int = 1) -> Iterator[Image.Image]:
    """Yield the picture from top to bottom, in strips whose height is a multiple of `rows`, except the last one's."""
    height = rows * max(1, STRIP_PIXELS // (rows * image.width))
    for top in range(0, image.height, height):
        yield image.crop((0, top, image.width, min(top + height, image.height)))


def reduced(image: Image.Image, convert: Callable[[Image.Image], Image.Image], factors: tuple[int, int]) -> Image.Image:
    """Return the converted picture, in which one pixel is the mean of `factors` pixels (in width and height)."""
    if image.width * image.height <= STRIP_PIXELS:
        return convert(image).reduce(factors)
    size = (-(-image.width // factors[0]), -(-image.height // factors[1]))
    small, top = None, 0
    for strip in strips_of(image, factors[1]):
        part = convert(strip).reduce(factors)
        small = small or Image.new(part.mode, size)
        small.paste(part, (0, top))
        top += part.height
    assert small is not None, "a picture has at least one row"
    return small
