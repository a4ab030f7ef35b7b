"""Uploads of zip archives. One is put on disk first, since its directory comes last."""

import asyncio
import bz2
import copy
import struct
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.pictures import Picture, ReadPicture, read_picture
from api.uploads.archives import check_entries, in_thread, is_picture_file, picture_of, spool
from api.uploads.body import Body
from api.uploads.chunk import check_total
from api.uploads.ratio import Unpacked
from api.uploads.texts import reason
from shared.errors import BadUpload, TooLarge

ENTRY = struct.Struct("<4s24x3H12x")  # of the directory: signature, and the lengths of name, extra field and comment
ENTRY_SIGNATURE = b"PK\x01\x02"
MEAN_ENTRY_BYTES = 1024  # that an archive's entries may have on average
READ_BYTES = 4096


async def zip_pictures(
    body: Body, image_bytes: int, most: int, unpacked: Unpacked, read: ReadPicture = read_picture
) -> AsyncIterator[Picture]:
    """In the order of the archive's directory. An unreadable member fails alone; a damaged archive is a BadUpload."""
    with tempfile.TemporaryFile() as file:
        packed_bytes = await spool(body, file)
        archive = await asyncio.to_thread(_open, file, most)
        files = [info for info in archive.infolist() if is_picture_file(info.filename)]
        check_total(len(files), most)
        async for picture in in_thread(_members(archive, files, image_bytes, unpacked, packed_bytes, read)):
            yield picture


def _open(file: IO[bytes], most: int) -> zipfile.ZipFile:
    try:
        check_directory(file, most)
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise BadUpload(f"not a readable zip archive: {reason(error)}") from None


def check_directory(file: IO[bytes], most: int) -> None:
    """Before zipfile reads the whole directory into memory, whatever its record says: walk it and count.

    Raises TooLarge, and BadUpload where the record says another count: zipfile would leave entries out without a word.
    """
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the same record that zipfile will go by
    if record is None:
        return
    signature, claimed, size_bytes, end = record[0], record[4], record[5], record[9]
    check_entries(claimed, most)
    if signature == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
        end -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
    at, count = end - size_bytes, 0
    while 0 <= at < end:
        file.seek(at)
        head = file.read(ENTRY.size)
        if len(head) < ENTRY.size or not head.startswith(ENTRY_SIGNATURE):
            break
        count += 1
        check_entries(count, most)
        at += ENTRY.size + sum(ENTRY.unpack(head)[1:])
    if at >= end and count & 0xFFFF != claimed & 0xFFFF:
        raise BadUpload(f"the zip archive says that it has {claimed} entries, its directory has {count}")
    if size_bytes > (count + 1) * MEAN_ENTRY_BYTES + (1 << 20):
        raise TooLarge(f"the directory of the zip archive has {size_bytes} bytes for {count} entries")


def _members(
    archive: zipfile.ZipFile,
    files: list[zipfile.ZipInfo],
    image_bytes: int,
    unpacked: Unpacked,
    packed_bytes: int,
    read: ReadPicture,
) -> Iterator[Picture]:
    for info in files:
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
