"""Readers of the files and arrays of a bulk upload, as its `?fit=` or `?resize=` says."""

from collections.abc import AsyncIterator, Callable
from typing import assert_never

import numpy as np

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture, read_picture
from api.images.fit import fit_picture, fit_pixels
from api.images.number import number_grey, number_picture
from api.images.pixel_budget import PixelBudget
from api.images.shaped import decode_shaped
from api.queue.classify_request import Fit
from api.uploads import ReadArray
from api.uploads.arrays import without_faint_images
from api.uploads.chunk import Chunk
from shared.contract.job import NumberLine
from shared.contract.model_spec import Resize
from shared.errors import BadImage
from shared.images import images_from_pixels
from shared.shapes import Shape


def reader(fit: Fit, max_pixels: int, budget: PixelBudget) -> ReadPicture:
    """Return the function that reads the files of a bulk upload. All except `read_picture` are slow: use a thread."""

    def read_digit(name: str, data: bytes) -> Picture:
        try:
            return Picture(name, fit_picture(data, max_pixels, budget))
        except BadImage as error:
            return Picture(name, None, error.detail)

    def read_number(name: str, data: bytes) -> Picture:
        try:
            line, pixels = number_picture(data, max_pixels, budget)
            return Picture(name, pixels, number=line)
        except BadImage as error:
            return Picture(name, None, error.detail)

    match fit:
        case "":
            return read_picture
        case "digit":
            return read_digit
        case "number":
            return read_number
    assert_never(fit)


def shaped_reader(shape: Shape, resize: Resize, max_pixels: int, budget: PixelBudget) -> ReadPicture:
    """Return the function that reads the files of a bulk upload for any version. It is slow: use a thread."""

    def read_shaped(name: str, data: bytes) -> Picture:
        try:
            return Picture(name, decode_shaped(data, shape, resize, max_pixels, budget))
        except BadImage as error:
            return Picture(name, None, error.detail)

    return read_shaped


def array_reader(fit: Fit) -> ReadArray:
    """Return the function that reads images that have 28×28 pixels already, such as those of an array."""
    match fit:
        case "":
            return without_faint_images
        case "digit":
            return _in_threads(_fitted)
        case "number":
            return _in_threads(_divided)
    assert_never(fit)


def _in_threads(fit_chunk: Callable[[Chunk], Chunk]) -> ReadArray:
    async def fitted(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async for chunk in chunks:
            yield await in_bulk_thread(fit_chunk, chunk)

    return fitted


def _fitted(chunk: Chunk) -> Chunk:
    """Find the digit in each image. An image without one fails alone."""
    fitted: list[bytes] = []
    errors: dict[int, str] = {}
    for position, image in enumerate(images_from_pixels(chunk.pixels)):
        try:
            fitted.append(fit_pixels(image.tobytes()))
        except BadImage as error:
            errors[position] = error.detail
    return Chunk(b"".join(fitted), chunk.count, errors=errors)


def _divided(chunk: Chunk) -> Chunk:
    """Divide the number in each image. An image without one fails alone."""
    divided: list[bytes] = []
    lines: list[NumberLine] = []
    errors: dict[int, str] = {}
    for position, image in enumerate(images_from_pixels(chunk.pixels)):
        try:
            line, windows = number_grey(image.astype(np.float32))
            divided.append(windows.tobytes())
            lines.append(line)
        except BadImage as error:
            errors[position] = error.detail
    return Chunk(b"".join(divided), chunk.count, errors=errors, numbers=lines)
