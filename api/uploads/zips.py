"""Uploads of zip archives. One is put on disk first, since its directory comes last."""

import asyncio
import bz2
import contextlib
import copy
import struct
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives import in_thread, is_picture_file, picture_of, spool
from api.uploads.body import Body
from api.uploads.chunk import check_total
from api.uploads.ratio import Unpacked
from api.uploads.texts import reason
from api.uploads.zip_directory import Directory, entries_of, find_directory
from shared.errors import BadUpload

READ_BYTES = 4096


async def zip_pictures(
    body: Body, image_bytes: int, most: int, unpacked: Unpacked, read: ReadPicture = read_picture
) -> AsyncIterator[Picture]:
    """In the order of the archive's directory. An unreadable member fails alone; a damaged archive is a BadUpload."""
    with tempfile.TemporaryFile() as file:
        packed_bytes = await spool(body, file)
        with unreadable_is_bad_upload():
            directory = await asyncio.to_thread(find_directory, file, most)
        check_total(directory.pictures, most)
        async for picture in in_thread(_members(file, directory, image_bytes, unpacked, packed_bytes, read)):
            yield picture


@contextlib.contextmanager
def unreadable_is_bad_upload() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise BadUpload(f"not a readable zip archive: {reason(error)}") from None


def _members(
    file: IO[bytes],
    directory: Directory,
    image_bytes: int,
    unpacked: Unpacked,
    packed_bytes: int,
    read: ReadPicture,
) -> Iterator[Picture]:
    entries = entries_of(file, directory)
    while True:
        with unreadable_is_bad_upload():
            archive, info = next(entries, (None, None))
        if archive is None or info is None:
            return
        if not is_picture_file(info.filename):
            continue
        try:
            data = _unpack(archive, info, image_bytes + 1)
        except Exception as error:  # zipfile and its decompressors share no error for damaged data
            yield Picture(info.filename, None, f"cannot be unpacked: {reason(error)}")
        else:
            unpacked.add(len(data), packed_bytes)
            yield picture_of(info.filename, data, image_bytes, read)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """The member's data, cut at `most_bytes`."""
    if info.compress_type == zipfile.ZIP_BZIP2:
        return _unpack_bzip2(archive, info, most_bytes)
    with archive.open(info) as member:
        return member.read(most_bytes)


def _unpack_bzip2(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """zipfile would unpack 4 KiB of it into gigabytes at once."""
    packed = copy.copy(info)
    packed.compress_type = zipfile.ZIP_STORED
    packed.file_size = packed.compress_size
    del packed.CRC
    unpacker = bz2.BZ2Decompressor()
    data = bytearray()
    with archive.open(packed) as member:
        while not unpacker.eof and len(data) < most_bytes:
            piece = member.read(READ_BYTES) if unpacker.needs_input else b""
            if unpacker.needs_input and not piece:
                raise EOFError("the data ends too early")
            data += unpacker.decompress(piece, most_bytes - len(data))
    if unpacker.eof and zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("bad CRC-32")
    return bytes(data)
