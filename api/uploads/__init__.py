"""Bulk uploads: a body in any supported format becomes chunks while it streams in."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.arrays import idx_chunks, npy_chunks, without_faint_images
from api.uploads.body import Body, unpacked
from api.uploads.chunk import Chunk, chunk_pictures
from api.uploads.formats import SNIFF_BYTES, Format, format_of, format_of_content_type
from api.uploads.multipart import multipart_pictures
from api.uploads.ndjson import ndjson_pictures
from api.uploads.ratio import Unpacked
from api.uploads.tars import tar_pictures
from api.uploads.zips import zip_pictures
from shared.config.settings import Settings
from shared.errors import BadUpload, UnknownFormat

ReadArray = Callable[[AsyncIterator[Chunk]], AsyncIterator[Chunk]]


@dataclass(frozen=True, slots=True)
class Limits:
    chunk_images: int
    job_images: int
    image_bytes: int
    upload_bytes: int
    unpack_ratio: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            chunk_images=settings.bulk_entry_images,
            job_images=settings.max_job_images,
            image_bytes=settings.max_image_bytes,
            upload_bytes=settings.max_upload_bytes,
            unpack_ratio=settings.max_unpack_ratio,
        )


async def read_upload(
    pieces: AsyncIterator[bytes],
    content_type: str,
    limits: Limits,
    read: ReadPicture = read_picture,
    read_array: ReadArray = without_faint_images,
) -> AsyncIterator[Chunk]:
    """Yield the chunks in input order. `read` decodes each file, `read_array` may convert the chunks of an array.

    About one chunk is in memory at a time. Raises BadUpload, TooLarge or UnknownFormat, possibly after some chunks.
    """
    packed = Body(pieces, limits.upload_bytes)
    body = await unpacked(packed, Unpacked(limits.upload_bytes, limits.unpack_ratio))
    head = await body.peek(SNIFF_BYTES)
    if not head:
        raise BadUpload("the body is empty")
    upload_format = format_of_content_type(content_type) or format_of(head)
    if upload_format is None:
        raise UnknownFormat(
            "expected multipart/form-data, a zip or tar archive, .npy or IDX (gzipped or not), NDJSON with base64 "
            "images, or a JSON range of the test set; "
            f"got {content_type or 'no Content-Type'} starting with {head[:8]!r}"
        )
    if upload_format in ("npy", "idx"):
        array_chunks = npy_chunks if upload_format == "npy" else idx_chunks
        chunks = read_array(array_chunks(body, limits.chunk_images, limits.job_images))
    else:
        pictures = _pictures(upload_format, body, content_type, limits, read)
        chunks = chunk_pictures(pictures, limits.chunk_images, limits.job_images)
    async for chunk in chunks:
        yield chunk


def _pictures(
    upload_format: Format, body: Body, content_type: str, limits: Limits, read: ReadPicture
) -> AsyncIterator[Picture]:
    if upload_format == "zip":
        return zip_pictures(
            body, limits.image_bytes, limits.job_images, Unpacked(limits.upload_bytes, limits.unpack_ratio), read
        )
    if upload_format == "tar":
        return tar_pictures(body, limits.image_bytes, limits.job_images, read)
    if upload_format == "ndjson":
        return ndjson_pictures(body, limits.image_bytes, read)
    return multipart_pictures(body, content_type, limits.image_bytes, read)
