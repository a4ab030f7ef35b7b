"""Bulk uploads: a body in any supported format becomes chunks while it streams in."""

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from api.http.bodies import Held
from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives.npz import is_npz, npz_chunks
from api.uploads.archives.tars import tar_pictures
from api.uploads.archives.zips import OpenZip, opened_zip, zip_pictures
from api.uploads.arrays import idx_chunks, npy_chunks, without_faint_images
from api.uploads.body import Body, inflated, unpacked, without_mark
from api.uploads.chunk import Chunk, chunk_pictures
from api.uploads.content_encoding import Encoding
from api.uploads.formats import (
    EXPECTED,
    MAX_RANGE_BYTES,
    NDJSON,
    SNIFF_BYTES,
    StreamedFormat,
    format_of_json,
    format_of_upload,
)
from api.uploads.multipart import multipart_pictures
from api.uploads.ndjson import ndjson_pictures
from api.uploads.ratio import Unpacked
from shared.config.settings import Settings
from shared.contract.entry import images_per_entry
from shared.errors import BadUpload, UnknownFormat
from shared.shapes import MNIST_SHAPE, Shape

ReadArray = Callable[[AsyncIterator[Chunk]], AsyncIterator[Chunk]]
ReadRange = Callable[[bytes], AsyncIterator[Chunk]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an upload, and the `shape` of the version's images. Large images make smaller chunks."""

    chunk_images: int
    job_images: int
    image_bytes: int
    upload_bytes: int
    unpack_ratio: int
    shape: Shape = MNIST_SHAPE

    @classmethod
    def of(cls, settings: Settings, shape: Shape = MNIST_SHAPE) -> "Limits":
        return cls(
            chunk_images=images_per_entry(math.prod(shape), settings.bulk_entry_images),
            job_images=settings.max_job_images,
            image_bytes=settings.max_image_bytes,
            upload_bytes=settings.max_upload_bytes,
            unpack_ratio=settings.max_unpack_ratio,
            shape=shape,
        )


async def read_upload(
    pieces: AsyncIterator[bytes],
    content_type: str,
    limits: Limits,
    read: ReadPicture = read_picture,
    read_array: ReadArray = without_faint_images,
    read_range: ReadRange | None = None,
    encoding: Encoding = "",
    held: Held | None = None,
) -> AsyncIterator[Chunk]:
    """Yield the chunks in input order. `read` decodes each file, `read_array` may convert the chunks of an array.

    `read_range` reads JSON that is no image, such as a range of the test set. About one chunk is in memory at a time,
    and `held` counts the bytes of large files. Raises BadUpload, TooLarge or UnknownFormat, and QueueFull from `held`,
    possibly after some chunks.
    """
    body = Body(pieces, limits.upload_bytes)
    if encoding:
        body = await inflated(body, Unpacked(limits.upload_bytes, limits.unpack_ratio), encoding)
    body = await unpacked(body, Unpacked(limits.upload_bytes, limits.unpack_ratio))
    upload_format = await _format_of(body, content_type)
    if upload_format == "zip":
        unpacked_bytes = Unpacked(limits.upload_bytes, limits.unpack_ratio)
        async with opened_zip(body, limits.job_images) as opened:
            async for chunk in _zip_chunks(opened, limits, unpacked_bytes, read, read_array):
                yield chunk
        return
    if upload_format == "range":
        if read_range is None:
            raise UnknownFormat(f"a JSON document is no list of images here: {NDJSON}")
        chunks = read_range(without_mark(await body.peek(MAX_RANGE_BYTES + 1)))
    elif upload_format == "npy" or upload_format == "idx":  # mypy narrows the type by it, not by `in`
        array_chunks = npy_chunks if upload_format == "npy" else idx_chunks
        chunks = read_array(array_chunks(body, limits.chunk_images, limits.job_images, limits.shape))
    else:
        pictures = _pictures(upload_format, body, content_type, limits, read, held)
        chunks = chunk_pictures(pictures, limits.chunk_images, limits.job_images)
    async for chunk in chunks:
        yield chunk


async def _format_of(body: Body, content_type: str) -> StreamedFormat | Literal["zip", "npy", "idx", "range"]:
    """Return the format of a body, of which nothing is read. Raises BadUpload if it is empty, and UnknownFormat."""
    head = await body.peek(SNIFF_BYTES)
    if not head:
        raise BadUpload(f"the body is empty: {EXPECTED}")
    upload_format = format_of_upload(content_type, head)
    if upload_format != "json":
        return upload_format
    head = await body.peek(MAX_RANGE_BYTES + 1)
    return format_of_json(content_type, head, whole=len(head) <= MAX_RANGE_BYTES)


def _zip_chunks(
    opened: OpenZip, limits: Limits, unpacked_bytes: Unpacked, read: ReadPicture, read_array: ReadArray
) -> AsyncIterator[Chunk]:
    if is_npz(opened):
        return read_array(npz_chunks(opened, unpacked_bytes, limits.chunk_images, limits.job_images, limits.shape))
    pictures = zip_pictures(opened, limits.image_bytes, unpacked_bytes, read)
    return chunk_pictures(pictures, limits.chunk_images, limits.job_images)


def _pictures(
    upload_format: StreamedFormat, body: Body, content_type: str, limits: Limits, read: ReadPicture, held: Held | None
) -> AsyncIterator[Picture]:
    match upload_format:
        case "tar":
            return tar_pictures(body, limits.image_bytes, limits.job_images, read)
        case "multipart":
            return multipart_pictures(body, content_type, limits.image_bytes, read, held)
        case "ndjson":
            return ndjson_pictures(body, limits.image_bytes, read, held)
    assert_never(upload_format)
