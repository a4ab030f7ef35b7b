"""Uploads of raw pixels: `.npy` files of numbers and IDX files of uint8, such as [N,28,28] or [N,height,width,3]."""

import io
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt

from api.images.levels import BYTE, Levels, faint_images, levels_of_array, levels_of_pictures
from api.uploads.body import Body
from api.uploads.chunk import Chunk, check_total
from api.uploads.safe_text import MAX_REASON_CHARS, error_text, safe_text
from shared.data.idx import MAX_HEADER_BYTES, parse_header
from shared.errors import BadImage, BadUpload
from shared.images import images_from_pixels
from shared.shapes import MNIST_SHAPE, Shape, axes_of

NPY_PREFIX_BYTES = {1: 10, 2: 12, 3: 12}  # magic, version, and the header's length in 2 or 4 bytes
MAX_NPY_HEADER_BYTES = 10_000  # numpy's own limit
MAX_ELEMENT_BYTES = 8
MAX_AXIS_LENGTH = 1 << 63


async def npy_chunks(
    body: Body, chunk_images: int, max_images: int, image_shape: Shape = MNIST_SHAPE
) -> AsyncIterator[Chunk]:
    """Yield the images of a `.npy` file. An object array is refused and never unpickled."""
    shape, dtype = await npy_header(body)
    values = _Values(dtype, image_shape)
    async for chunk in _raw_chunks(body, count_of_shape(shape, image_shape), chunk_images, max_images, values):
        yield chunk


async def idx_chunks(
    body: Body, chunk_images: int, max_images: int, image_shape: Shape = MNIST_SHAPE
) -> AsyncIterator[Chunk]:
    try:
        shape, header_bytes = parse_header(await body.peek(MAX_HEADER_BYTES))
    except ValueError as error:
        raise BadUpload(f"not an IDX file of images: {error}") from None
    await body.read(header_bytes)
    values = _Values(np.dtype(np.uint8), image_shape)
    async for chunk in _raw_chunks(body, count_of_shape(shape, image_shape), chunk_images, max_images, values):
        yield chunk


async def without_faint_images(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Let each image without contrast fail alone."""
    async for chunk in chunks:
        images = images_from_pixels(chunk.pixels)
        if faint := faint_images(images):
            sharp = [position for position in range(len(images)) if position not in faint]
            chunk = Chunk(images[sharp].tobytes(), chunk.count, errors=faint)
        yield chunk


async def as_they_are(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Yield the chunks unchanged: an image without contrast is usual for other versions than those of digits."""
    async for chunk in chunks:
        yield chunk


def count_of_shape(shape: tuple[int, ...], image_shape: Shape = MNIST_SHAPE) -> int:
    """Return the number of images in an array: one image, or many along the first axis, such as [N,28,28].

    Grey images may have an axis for their channel, and all images may be flat.
    """
    axes = axes_of(image_shape)
    if shape == axes:
        return 1
    if len(shape) > 1 and shape[1:] in (axes, image_shape, (math.prod(image_shape),)):
        if shape[0] < 1:
            raise BadUpload("the array has no images")
        return shape[0]
    expected = ",".join(map(str, axes))
    files = "" if image_shape == MNIST_SHAPE else "; other sizes and colours are converted only in image files"
    raise BadUpload(f"expected an array of uint8[N,{expected}], got shape {list(shape)}{files}")


async def npy_header(body: Body) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and the type of the elements. Raises BadUpload."""
    prefix = await body.peek(12)
    major = prefix[6] if len(prefix) > 6 else 0
    if major not in NPY_PREFIX_BYTES or not prefix.startswith(b"\x93NUMPY"):
        raise BadUpload("not a .npy file of version 1, 2 or 3")
    prefix_bytes = NPY_PREFIX_BYTES[major]
    header_bytes = int.from_bytes(prefix[8:prefix_bytes], "little")
    if header_bytes > MAX_NPY_HEADER_BYTES:
        raise BadUpload(f"the .npy header declares {header_bytes} bytes, the limit is {MAX_NPY_HEADER_BYTES}")
    header = io.BytesIO((await body.read(prefix_bytes + header_bytes))[8:])
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    try:
        shape, fortran_order, dtype = read_header(header)
    except Exception as error:  # numpy's reader shares no error for damaged headers
        raise BadUpload(f"damaged .npy header: {error_text(error)}") from None
    if any(abs(length) > MAX_AXIS_LENGTH for length in shape):  # Python refuses to print longer integers
        raise BadUpload("the .npy header has an impossible shape")
    if dtype.kind not in "biuf" or dtype.itemsize > MAX_ELEMENT_BYTES:
        raise BadUpload(
            safe_text(
                f"expected an array of numbers, such as uint8[N,28,28], got {dtype}{list(shape)}", MAX_REASON_CHARS
            )
        )
    if fortran_order:
        raise BadUpload("the array is in Fortran order; save numpy.ascontiguousarray(images)")
    return tuple(int(length) for length in shape), dtype


class _Values:
    """Converts the numbers of one array to grey levels, whose range is recognized from its first images with ink."""

    def __init__(self, dtype: np.dtype[Any], image_shape: Shape = MNIST_SHAPE) -> None:
        self._dtype = dtype
        self._recognize = levels_of_array if image_shape == MNIST_SHAPE else levels_of_pictures
        self._levels: Levels | None = None
        self.image_bytes = math.prod(image_shape) * dtype.itemsize

    def pixels(self, data: bytes, start: int) -> bytes:
        """Return the pixels. `start` is the index of the first image. Raises BadUpload for another range."""
        values = np.frombuffer(data, self._dtype)
        levels = self._levels
        if levels is None:
            try:
                levels = self._recognize(values)
            except BadImage as error:
                raise BadUpload(error.detail) from None
            if values.max() > values.min():
                self._levels = levels
        elif levels != BYTE or self._dtype != np.uint8:
            self._check(values, levels, start)
        pixels = levels.pixels(values)
        return data if pixels is values else pixels.tobytes()

    def _check(self, values: npt.NDArray[Any], levels: Levels, start: int) -> None:
        if not levels.hold(values):
            found = f"{values.min():g} to {values.max():g}, but the images before it from "
            raise BadUpload(
                f"the values from image {start} on range from {found}{levels.black:g} to {levels.white:g}; "
                "all images of an array need the same range"
            )


async def _raw_chunks(
    body: Body, count: int, chunk_images: int, max_images: int, values: _Values
) -> AsyncIterator[Chunk]:
    check_total(count, max_images)
    for start in range(0, count, chunk_images):
        size = min(chunk_images, count - start)
        data = await body.read(size * values.image_bytes)
        if len(data) < size * values.image_bytes:
            whole = start + len(data) // values.image_bytes
            raise BadUpload(f"the header declares {count} images, but the data ends after {whole}")
        yield Chunk(values.pixels(data, start), size)
    if await body.peek(1):
        raise BadUpload(f"there is data after the {count} images that the header declares")
