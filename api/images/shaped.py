"""Decodes image files into the images of any version: uint8[height,width] or uint8[height,width,3]."""

import contextlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from api.images.decode import decode_image, process_image
from api.images.exif import orientation_of, upright
from api.images.fit import fit_picture
from api.images.large import STRIP_PIXELS, other_way_for, reduced, size_factor, strips_of
from api.images.levels import Levels, levels_of_file
from api.images.pixel_budget import PixelBudget, require_pixels
from shared.contract.model_spec import Resize
from shared.errors import BadImage
from shared.shapes import IMAGE_SIDE, MNIST_SHAPE, Shape

SMOOTH = Image.Resampling.BILINEAR  # averages over the pixels that become one
REDUCING_GAP = 3.0  # large pictures are first scaled down by a whole factor, to at least this multiple of the size
JPEG_SCALE = 2  # a JPEG is unpacked to at least this multiple of the size
WHITE = (255, 255, 255, 255)
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def decode_shaped(data: bytes, shape: Shape, resize: Resize, max_pixels: int, budget: PixelBudget) -> bytes:
    """Return the pixels of an image file in a version's shape. Of several frames, only the first counts.

    A picture of another size is treated as `resize` says. Blocks while `budget` has no room for its pixels. Raises
    BadImage with the reason, and QueueFull. Images of MNIST's size are read as on its routes.
    """
    if resize == "digit":
        return _digit(data, shape, max_pixels, budget)
    if resize == "exact" and shape == MNIST_SHAPE:
        try:
            return decode_image(data)
        except BadImage as error:
            raise BadImage(error.detail.replace("?fit=digit takes any size", "?resize=digit takes any size")) from None

    def shaped(image: Image.Image) -> bytes:
        size = _upright_size(image)
        if resize == "exact" and size != (shape[1], shape[0]):
            raise BadImage(_wrong_size(size, shape))
        factor = size_factor(image, data)
        other_way = other_way_for(factor)
        require_pixels(image.size, int(max_pixels * factor), other_way)
        if resize != "exact":
            image.draft("RGB", (JPEG_SCALE * shape[1], JPEG_SCALE * shape[0]))
            require_pixels(image.size, max_pixels, other_way)
        with budget.take(image.width * image.height), contextlib.closing(image):  # a traceback would keep the pixels
            return _in_shape(_upright(image, shape, resize), shape, resize).tobytes()

    return process_image(data, shaped)


def _wrong_size(size: tuple[int, int], shape: Shape) -> str:
    height, width, channels = shape
    options = "stretch, crop or pad" + (", or digit for one digit" if channels == 1 else "")
    return (
        f"expected a {width}×{height} image, got {size[0]}×{size[1]}: scale it, "
        f"or choose what happens to it with ?resize= ({options})"
    )


def _digit(data: bytes, shape: Shape, max_pixels: int, budget: PixelBudget) -> bytes:
    pixels = fit_picture(data, max_pixels, budget)
    if shape == MNIST_SHAPE:
        return pixels
    digit = Image.frombytes("L", (IMAGE_SIDE, IMAGE_SIDE), pixels)
    return digit.resize((shape[1], shape[0]), SMOOTH).tobytes()


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height as the picture is shown."""
    width, height = image.size
    return (height, width) if orientation_of(image) in TURNED else (width, height)


def _upright(image: Image.Image, shape: Shape, resize: Resize) -> Image.Image:
    """Return the picture in 8 bits, grey or in colour, upright. What is transparent becomes white.

    A large one is scaled down by whole factors, to at least REDUCING_GAP times the size of `shape`.
    """
    image.load()
    orientation = orientation_of(image)
    size = (shape[0], shape[1]) if orientation in TURNED else (shape[1], shape[0])
    picture = reduced(image, _conversion(image, "L" if shape[2] == 1 else "RGB"), _factors(image.size, size, resize))
    return upright(picture, orientation)


def _factors(stored: tuple[int, int], size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """Return by how much a picture is scaled down in width and height before it gets its final `size`."""
    if stored[0] * stored[1] <= STRIP_PIXELS or resize == "exact":
        return 1, 1
    wide, high = (max(1, int(now / then / REDUCING_GAP)) for now, then in zip(stored, size, strict=True))
    if resize == "stretch":
        return wide, high
    factor = min(wide, high) if resize == "crop" else max(wide, high)
    return factor, factor


def _conversion(image: Image.Image, mode: str) -> Callable[[Image.Image], Image.Image]:
    """Return what turns the picture, or a part of it, into 8 bits of `mode`. Raises BadImage for unknown levels."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        levels = _levels_of(image)
        return lambda part: Image.fromarray(levels.pixels(np.asarray(part))).convert(mode)
    if image.has_transparency_data:
        return lambda part: _on_white(part).convert(mode)
    return lambda part: part.convert(mode)


def _levels_of(image: Image.Image) -> Levels:
    """Return the levels of a picture of more than 8 bits, of a large one by its range and every few pixels."""
    if image.width * image.height <= STRIP_PIXELS:
        return levels_of_file(np.asarray(image))
    step = 1 + image.width * image.height // STRIP_PIXELS
    ranges, samples = [], []
    for strip in strips_of(image):
        values = np.asarray(strip).reshape(-1)
        ranges += [values.min(), values.max()]
        samples.append(values[::step].copy())  # a view would keep the strip
    return levels_of_file(np.concatenate([np.array(ranges, samples[0].dtype), *samples]))


def _on_white(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    ground = Image.new("RGBA", picture.size, WHITE)
    ground.alpha_composite(picture)
    return ground


def _in_shape(image: Image.Image, shape: Shape, resize: Resize) -> Image.Image:
    size = (shape[1], shape[0])
    if image.size == size:
        return image
    if resize == "crop":  # the largest part of the picture in its middle that has the right proportions
        return ImageOps.fit(image, size, SMOOTH)
    if resize == "pad":
        return _padded(image, size)
    return image.resize(size, SMOOTH, reducing_gap=REDUCING_GAP)


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the whole picture with black bars. It has at least one pixel in each direction."""
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
    padded = Image.new(image.mode, size)
    corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    padded.paste(image.resize(inner, SMOOTH, reducing_gap=REDUCING_GAP), corner)
    return padded
