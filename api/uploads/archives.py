"""Uploads of archives of image files. An archive is put on disk first: a zip's directory comes last."""

import asyncio
import itertools
import os
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.pictures import Picture, read_picture
from api.uploads.body import Body, check_ratio
from api.uploads.chunk import check_total
from shared.errors import BadUpload, TooLarge

ZIP_END = struct.Struct("<4s4H2LH")  # end of the central directory (APPNOTE.TXT 4.3.16)
ZIP64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
ZIP64_END = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
MOST_COMMENT_BYTES = 0xFFFF
SPARE_ENTRIES = 1000  # folders and hidden files beside the images
MOST_ENTRY_BYTES = 512  # of the directory, on average: zipfile holds all of it in memory
AT_A_TIME = 64  # pictures decoded in a thread before the event loop hears of them
MAX_EXTENSION_BYTES = 1 << 16  # of one of these in a tar: tarfile reads them into memory whole
EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


async def zip_pictures(
    body: Body, image_bytes: int, most: int, unpacked_bytes: int, unpack_ratio: int
) -> AsyncIterator[Picture]:
    """In the order of the archive's directory. An unreadable member fails alone; a damaged archive is a BadUpload.

    Raises TooLarge past `most` images, past `unpacked_bytes` in all, and past `unpack_ratio` times the archive's size.
    """
    with tempfile.TemporaryFile() as file:
        await _spool(body, file)
        packed_bytes = file.seek(0, os.SEEK_END)
        check_directory(file, most + SPARE_ENTRIES)
        try:
            archive = await asyncio.to_thread(zipfile.ZipFile, file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BadUpload(f"not a readable zip archive: {error}") from None
        files = [info for info in archive.infolist() if is_picture_file(info.filename)]
        check_total(len(files), most)
        told_bytes = 0
        for info in files:  # zipfile gives no more of a member than its directory entry says
            told_bytes += min(info.file_size, image_bytes + 1)
        check_ratio(told_bytes, packed_bytes, unpack_ratio)
        if told_bytes > unpacked_bytes:
            raise TooLarge(f"the archive unpacks to more than {unpacked_bytes} bytes")
        async for picture in _in_thread(_zip_members(archive, files, image_bytes)):
            yield picture


async def tar_pictures(body: Body, image_bytes: int) -> AsyncIterator[Picture]:
    with tempfile.TemporaryFile() as file:
        await _spool(body, file)
        async for picture in _in_thread(_tar_members(file, image_bytes)):
            yield picture


def check_directory(file: IO[bytes], most_entries: int) -> None:
    """Refuse a zip's directory by what its end says, before all of it is read into memory.

    Raises TooLarge. What is no zip at all is left to zipfile, which looks for the end as it is looked for here.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, size_bytes - ZIP_END.size - MOST_COMMENT_BYTES - ZIP64_LOCATOR.size))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) - at >= ZIP_END.size:
        *_, entries, directory_bytes, _, _ = ZIP_END.unpack_from(tail, at)
        locator = at - ZIP64_LOCATOR.size
        if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
            _, _, end_at, _ = ZIP64_LOCATOR.unpack_from(tail, locator)
            file.seek(min(end_at, size_bytes))
            record = file.read(ZIP64_END.size)
            if len(record) == ZIP64_END.size and record.startswith(b"PK\x06\x06"):
                *_, entries, directory_bytes, _ = ZIP64_END.unpack(record)
        if entries > most_entries or directory_bytes > most_entries * MOST_ENTRY_BYTES:
            raise TooLarge(f"the archive has {entries} entries in a directory of {directory_bytes} bytes")
    file.seek(0)


def is_picture_file(name: str) -> bool:
    """Not a folder, nor what macOS and file managers put into archives beside the files that a person chose."""
    parts = name.split("/")
    return parts[0] != "__MACOSX" and parts[-1] != "" and not parts[-1].startswith(".")


def _zip_members(archive: zipfile.ZipFile, files: list[zipfile.ZipInfo], image_bytes: int) -> Iterator[Picture]:
    for info in files:
        try:
            with archive.open(info) as member:
                data = member.read(image_bytes + 1)
        except Exception as error:  # zipfile and its decompressors share no error for damaged data
            yield Picture(info.filename, None, f"cannot be unpacked: {error}")
        else:
            yield _picture(info.filename, data, image_bytes)


class _BoundedTarInfo(tarfile.TarInfo):
    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """The entry point that tarfile leaves to subclasses, called for every header."""
        if self.type in EXTENSIONS and self.size > MAX_EXTENSION_BYTES:
            raise tarfile.ReadError(f"a name or header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _tar_members(file: IO[bytes], image_bytes: int) -> Iterator[Picture]:
    try:
        with tarfile.open(fileobj=file, mode="r|", tarinfo=_BoundedTarInfo) as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps every member it has seen
                if info.isfile() and is_picture_file(info.name):
                    if info.issparse():
                        yield Picture(info.name, None, "a sparse file")
                        continue
                    member = archive.extractfile(info)
                    assert member is not None, "a regular file has contents"
                    yield _picture(info.name, member.read(image_bytes + 1), image_bytes)
            file.seek(archive.offset)  # where tarfile found no further member
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise BadUpload("the tar archive is damaged or ends too early")
    except (tarfile.TarError, EOFError, OSError, RecursionError) as error:
        raise BadUpload(f"not a readable tar archive: {error}") from None


def _picture(name: str, data: bytes, image_bytes: int) -> Picture:
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return read_picture(name, data)


async def _spool(body: Body, file: IO[bytes]) -> None:
    async for piece in body.pieces():
        file.write(piece)
    file.seek(0)


async def _in_thread(pictures: Iterator[Picture]) -> AsyncIterator[Picture]:
    """Unpack and decode in a thread, a few at a time, so that single requests are served in between."""
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(pictures, AT_A_TIME))):
        for picture in batch:
            yield picture
