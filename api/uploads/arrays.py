"""Uploads of raw pixels: `.npy` and IDX files of uint8[N,28,28]."""

import io
from collections.abc import AsyncIterator

import numpy as np

from api.uploads.body import Body
from api.uploads.chunk import Chunk, check_total
from api.uploads.safe_text import MAX_REASON_CHARS, error_text, safe_text
from shared.data.idx import MAX_HEADER_BYTES, parse_header
from shared.errors import BadUpload
from shared.images import IMAGE_BYTES, IMAGE_SIDE

NPY_PREFIX_BYTES = {1: 10, 2: 12, 3: 12}  # magic, version, and the header's length in 2 or 4 bytes
MAX_NPY_HEADER_BYTES = 10_000  # numpy's own limit
MAX_AXIS_LENGTH = 1 << 63


async def npy_chunks(body: Body, chunk_images: int, max_images: int) -> AsyncIterator[Chunk]:
    """Yield the images of a `.npy` file. An object array is refused and never unpickled."""
    shape = await _npy_shape(body)
    async for chunk in _raw_chunks(body, count_of_shape(shape), chunk_images, max_images):
        yield chunk


async def idx_chunks(body: Body, chunk_images: int, max_images: int) -> AsyncIterator[Chunk]:
    try:
        shape, header_bytes = parse_header(await body.peek(MAX_HEADER_BYTES))
    except ValueError as error:
        raise BadUpload(f"not an IDX file of images: {error}") from None
    await body.read(header_bytes)
    async for chunk in _raw_chunks(body, count_of_shape(shape), chunk_images, max_images):
        yield chunk


def count_of_shape(shape: tuple[int, ...]) -> int:
    """Return the number of images in an array of shape [N,28,28], [N,28,28,1], [N,784] or [28,28]."""
    side = IMAGE_SIDE
    if shape == (side, side):
        return 1
    if len(shape) > 1 and shape[1:] in ((side, side), (side, side, 1), (IMAGE_BYTES,)):
        if shape[0] < 1:
            raise BadUpload("the array has no images")
        return shape[0]
    raise BadUpload(f"expected an array of uint8[N,28,28], got shape {list(shape)}")


async def _npy_shape(body: Body) -> tuple[int, ...]:
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
    if dtype != np.uint8:
        raise BadUpload(safe_text(f"expected an array of uint8[N,28,28], got {dtype}{list(shape)}", MAX_REASON_CHARS))
    if fortran_order:
        raise BadUpload("the array is in Fortran order; save numpy.ascontiguousarray(images)")
    return tuple(int(length) for length in shape)


async def _raw_chunks(body: Body, count: int, chunk_images: int, max_images: int) -> AsyncIterator[Chunk]:
    check_total(count, max_images)
    for start in range(0, count, chunk_images):
        size = min(chunk_images, count - start)
        pixels = await body.read(size * IMAGE_BYTES)
        if len(pixels) < size * IMAGE_BYTES:
            whole = start + len(pixels) // IMAGE_BYTES
            raise BadUpload(f"the header declares {count} images, but the data ends after {whole}")
        yield Chunk(pixels, size)
    if await body.peek(1):
        raise BadUpload(f"there is data after the {count} images that the header declares")
