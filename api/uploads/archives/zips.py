"""Uploads of zip archives. The archive is written to disk first, because its directory comes last."""

import bz2
import contextlib
import copy
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives.members import in_thread, is_picture_file, picture_of
from api.uploads.body import Body
from api.uploads.chunk import check_total
from api.uploads.ratio import Unpacked
from api.uploads.safe_text import error_text
from api.uploads.temporary import spool, temporary_file
from shared.errors import BadUpload, TooLarge

READ_BYTES = 4096
LZMA_MEMORY_BYTES = 64 << 20  # mostly the dictionary, whose size the archive declares
LZMA_PROPERTIES_BYTES = 5
LZMA_PREFIX_BYTES = 4 + LZMA_PROPERTIES_BYTES  # version, and size of the properties, which follow
LZMA_END_MARKER = 2  # flag: the data has an end marker
LZMA_UNKNOWN_SIZE = b"\xff" * 8
# zipfile keeps the whole directory in memory. Within these bounds it takes less than 128 MiB.
MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 24 << 20
FIRST_SIGNATURE, ENTRY_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02"  # a member, and its entry in the directory
ZIP64_SIGNATURE = b"PK\x06\x06"
ZIP64_RECORDS_BYTES = 56 + 20  # between the directory and the end record of a zip64 archive
END_RECORD_BYTES = 22
UTF8_NAME, ENCRYPTED = 0x800, 0x1  # flag bits of a member
WINDOWS_FOLDER = 0x10  # attribute of MS-DOS
UNIX = 3  # system of a member that has a file mode
COUNT_MASK = 0xFFFF  # the end record counts entries in 16 bits


@dataclass(frozen=True, slots=True)
class OpenZip:
    """An archive on disk, and its picture files."""

    archive: zipfile.ZipFile
    members: list[zipfile.ZipInfo]
    packed_bytes: int


@contextlib.asynccontextmanager
async def opened_zip(body: Body, max_images: int) -> AsyncIterator[OpenZip]:
    """Write the body to disk and open it. Raises TooLarge, and BadUpload for a damaged archive."""
    with temporary_file() as file:
        packed_bytes = await spool(body, file)
        archive = await in_bulk_thread(open_archive, file)
        members = await in_bulk_thread(_picture_files, archive)
        check_total(len(members), max_images)
        yield OpenZip(archive, members, packed_bytes)


async def zip_pictures(
    opened: OpenZip, image_bytes: int, unpacked: Unpacked, read: ReadPicture = read_picture
) -> AsyncIterator[Picture]:
    """Yield the pictures in order; a bad member fails alone. Raises TooLarge."""
    async for picture in in_thread(_pictures(opened, image_bytes, unpacked, read)):
        yield picture


def _picture_files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in archive.infolist() if not _is_folder(info) and is_picture_file(name_of(info))]


def name_of(info: zipfile.ZipInfo) -> str:
    """Return the member's name with `/` between folders. Many programs write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return bool(info.external_attr & WINDOWS_FOLDER) or stat.S_ISDIR(_unix_mode(info))


def _unix_mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16 if info.create_system == UNIX else 0


def _unreadable(info: zipfile.ZipInfo) -> str:
    """Return why the member has no content of its own, or an empty string."""
    mode = _unix_mode(info)
    if info.flag_bits & ENCRYPTED:
        return "cannot be unpacked: encrypted; pack the archive without a password"
    if stat.S_ISLNK(mode):
        return "a symbolic link: pack the file itself"
    return "a special file, which has no content" if stat.S_IFMT(mode) not in (0, stat.S_IFREG) else ""


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive whose directory is within the bounds. Raises TooLarge or BadUpload."""
    with _unreadable_is_bad_upload():
        declared = _check_directory(file)
        archive = zipfile.ZipFile(file)
    members = archive.infolist()
    file.seek(0)
    if members and file.read(4) == FIRST_SIGNATURE and min(info.header_offset for info in members) > 0:
        raise BadUpload("there are two zip archives: send each by itself")
    count = len(members)
    if count & COUNT_MASK != declared & COUNT_MASK:
        raise BadUpload(f"the zip archive declares {declared} entries, but its directory has {count}")
    return archive


def _check_directory(file: IO[bytes]) -> int:
    """Return the number of entries that the archive declares. zipfile ignores it, so the directory is searched, too."""
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the record that zipfile itself will use
    if record is None:
        raise zipfile.BadZipFile("there is no directory at its end")
    signature, declared, size_bytes, comment, end = record[0], record[4], record[5], record[8], record[9]
    if file.seek(0, io.SEEK_END) > end + END_RECORD_BYTES + len(comment):
        raise BadUpload("there is data after the end of the zip archive: send each archive by itself")
    if size_bytes > MAX_DIRECTORY_BYTES:
        raise TooLarge(f"the directory of a zip archive may have at most {MAX_DIRECTORY_BYTES} bytes: send a tar")
    file.seek(max(0, end - size_bytes - (ZIP64_RECORDS_BYTES if signature == ZIP64_SIGNATURE else 0)))
    if max(declared, file.read(size_bytes).count(ENTRY_SIGNATURE)) > MAX_ENTRIES:
        raise TooLarge(f"a zip archive may have at most {MAX_ENTRIES} entries: send several, or a tar")
    return int(declared)


@contextlib.contextmanager
def _unreadable_is_bad_upload() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise BadUpload(f"not a readable zip archive: {error_text(error)}") from None


def _pictures(opened: OpenZip, image_bytes: int, unpacked: Unpacked, read: ReadPicture) -> Iterator[Picture]:
    for member in opened.members:
        name = name_of(member)
        if reason := _unreadable(member):
            yield Picture(name, None, reason)
            continue
        try:
            data = _unpack(opened.archive, member, image_bytes + 1)
        except Exception as error:  # zipfile and its decompressors share no error for damaged data
            yield Picture(name, None, f"cannot be unpacked: {error_text(error)}")
        else:
            unpacked.add(len(data), opened.packed_bytes)
            yield picture_of(name, data, image_bytes, read)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return the member's data, cut at `max_bytes`. Memory holds no more than that, and at most LZMA_MEMORY_BYTES."""
    if info.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return _unpack_bounded(archive, info, max_bytes)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError(f"compression method {info.compress_type} is not supported: use deflate")
    with archive.open(info) as member:
        return member.read(max_bytes)


def _unpack_bounded(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Unpack bzip2 or LZMA with a bounded output, because zipfile would unpack 4 KiB into gigabytes at once."""
    packed = copy.copy(info)
    packed.compress_type = zipfile.ZIP_STORED
    packed.file_size = packed.compress_size
    del packed.CRC
    data = bytearray()
    with archive.open(packed) as member:
        unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor = bz2.BZ2Decompressor()
        if info.compress_type == zipfile.ZIP_LZMA:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LZMA_MEMORY_BYTES)
            data += unpacker.decompress(_lzma_header(info, member.read(LZMA_PREFIX_BYTES)), max_bytes)
        while not unpacker.eof and len(data) < max_bytes:
            piece = member.read(READ_BYTES) if unpacker.needs_input else b""
            if unpacker.needs_input and not piece:
                raise EOFError("the data ends too early")
            data += unpacker.decompress(piece, max_bytes - len(data))
    if unpacker.eof and zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("bad CRC-32")
    return bytes(data)


def _lzma_header(info: zipfile.ZipInfo, prefix: bytes) -> bytes:
    """Return the header of an `.lzma` file, which a zip keeps in another form (APPNOTE.TXT, 5.8.8)."""
    if len(prefix) < LZMA_PREFIX_BYTES or prefix[2:4] != LZMA_PROPERTIES_BYTES.to_bytes(2, "little"):
        raise EOFError("the LZMA header is damaged")
    size = LZMA_UNKNOWN_SIZE if info.flag_bits & LZMA_END_MARKER else info.file_size.to_bytes(8, "little")
    return prefix[4:] + size
