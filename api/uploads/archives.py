"""Uploads of archives of image files. An archive is put on disk first: a zip's directory comes last."""

import asyncio
import itertools
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.pictures import Picture, read_picture
from api.uploads.body import Body
from api.uploads.chunk import check_total
from shared.errors import BadUpload

AT_A_TIME = 64  # pictures decoded in a thread before the event loop hears of them
MAX_EXTENSION_BYTES = 1 << 16  # of one of these in a tar: tarfile reads them into memory whole
EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


async def zip_pictures(body: Body, image_bytes: int, most: int) -> AsyncIterator[Picture]:
    """In the order of the archive's directory. An unreadable member fails alone; a damaged archive is a BadUpload."""
    with tempfile.TemporaryFile() as file:
        await _spool(body, file)
        try:
            archive = await asyncio.to_thread(zipfile.ZipFile, file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BadUpload(f"not a readable zip archive: {error}") from None
        files = [info for info in archive.infolist() if is_picture_file(info.filename)]
        check_total(len(files), most)
        async for picture in _in_thread(_zip_members(archive, files, image_bytes)):
            yield picture


async def tar_pictures(body: Body, image_bytes: int) -> AsyncIterator[Picture]:
    with tempfile.TemporaryFile() as file:
        await _spool(body, file)
        async for picture in _in_thread(_tar_members(file, image_bytes)):
            yield picture


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
