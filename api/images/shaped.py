"""Decodes image files into the images of any version: uint8[height,width] or uint8[height,width,3]."""

import contextlib
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageOps

from api.images.decode import decode_image, process_image
from api.images.fit import fit_picture
from api.images.levels import levels_of_file
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
        if resize != "exact":
            image.draft("RGB", (JPEG_SCALE * shape[1], JPEG_SCALE * shape[0]))
        with _room(image, max_pixels, budget):
            return _in_shape(_upright(image, shape[2]), shape, resize).tobytes()

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
    return (height, width) if image.getexif().get(ExifTags.Base.Orientation) in TURNED else (width, height)


@contextlib.contextmanager
def _room(image: Image.Image, max_pixels: int, budget: PixelBudget) -> Iterator[None]:
    """Hold the pixels of a picture that is about to be unpacked. Raises BadImage if they are too many."""
    require_pixels(image.size, max_pixels)
    with budget.take(image.width * image.height):
        try:
            yield
        finally:
            image.close()  # frees the pixels: the traceback of an error would keep them


def _upright(image: Image.Image, channels: int) -> Image.Image:
    """Return the picture in 8 bits, grey or in colour, upright. What is transparent becomes white."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image)
        image = Image.fromarray(levels_of_file(values).pixels(values))
    elif image.has_transparency_data:
        picture = image.convert("RGBA")
        ground = Image.new("RGBA", picture.size, WHITE)
        ground.alpha_composite(picture)
        image = ground
    return image.convert("L" if channels == 1 else "RGB")


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
