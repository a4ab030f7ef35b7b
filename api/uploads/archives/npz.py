"""Uploads as `.npz`, a zip archive of `.npy` arrays, of which one has to hold images."""

import zipfile
from collections.abc import AsyncIterator

from api.images.bulk_threads import in_bulk_thread
from api.uploads.archives.zips import OpenZip
from api.uploads.arrays import count_of_shape, npy_chunks, npy_header
from api.uploads.body import Body
from api.uploads.chunk import Chunk
from api.uploads.content_encoding import UNPACK_BYTES
from api.uploads.ratio import Unpacked
from api.uploads.safe_text import error_text
from shared.errors import BadUpload
from shared.shapes import MNIST_SHAPE, Shape

SUFFIX = ".npy"
MAX_ARRAYS = 32
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy writes no others


def is_npz(opened: OpenZip) -> bool:
    """Return whether all members are arrays."""
    return bool(opened.members) and all(info.filename.endswith(SUFFIX) for info in opened.members)


async def npz_chunks(
    opened: OpenZip, unpacked: Unpacked, chunk_images: int, max_images: int, image_shape: Shape = MNIST_SHAPE
) -> AsyncIterator[Chunk]:
    """Yield the images of the only array that holds images. Raises BadUpload with the names of all arrays otherwise."""
    if len(opened.members) > MAX_ARRAYS:
        raise BadUpload(f"the .npz file has {len(opened.members)} arrays: send the array of the images as .npy")
    found: list[str] = []
    images: list[zipfile.ZipInfo] = []
    for info in opened.members:
        shape, dtype = await npy_header(_array(opened, info, unpacked))
        found.append(f"{info.filename.removesuffix(SUFFIX)} {dtype}{list(shape)}")
        if _holds_images(shape, image_shape):
            images.append(info)
    if len(images) != 1:
        what = "several arrays of images" if images else "no array of images"
        raise BadUpload(f"the .npz file has {what}: {', '.join(found)}; send one of them with numpy.save, as .npy")
    async for chunk in npy_chunks(_array(opened, images[0], unpacked), chunk_images, max_images, image_shape):
        yield chunk


def _holds_images(shape: tuple[int, ...], image_shape: Shape) -> bool:
    try:
        return count_of_shape(shape, image_shape) > 0
    except BadUpload:
        return False


def _array(opened: OpenZip, info: zipfile.ZipInfo, unpacked: Unpacked) -> Body:
    if info.compress_type not in COMPRESSIONS:
        raise BadUpload(f"{info.filename} has a compression that NumPy does not write")
    return Body(_pieces(opened, info, unpacked), unpacked.limit_bytes)


async def _pieces(opened: OpenZip, info: zipfile.ZipInfo, unpacked: Unpacked) -> AsyncIterator[bytes]:
    try:
        with opened.archive.open(info) as member:
            while piece := await in_bulk_thread(member.read, UNPACK_BYTES):
                unpacked.add(len(piece), opened.packed_bytes)
                yield piece
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise BadUpload(f"{info.filename} cannot be unpacked: {error_text(error)}") from None
