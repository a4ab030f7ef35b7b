"""Uploads of tar archives. tarfile reads them from a file on disk, within limits that tarfile itself does not have."""

import os
import re
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives import in_thread, is_picture_file, picture_of
from api.uploads.body import Body
from api.uploads.safe_text import error_text
from api.uploads.temporary import spool, temporary_file
from shared.errors import BadUpload, TooLarge

MAX_EXTRA_ENTRIES = 1000  # in addition to two for each picture: folders, and files that macOS adds
MAX_EXTENSION_BYTES = 1 << 16  # tarfile reads an extension into memory whole
MAX_EXTENSIONS = 8  # before one member, because tarfile recurses into each
MAX_GLOBAL_HEADERS = 64  # tarfile keeps all of them in memory
PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *PAX)
PAX_RECORD = re.compile(rb"([0-9]{1,6}) [^=\n]{1,255}=")
LONG_NUMBER = re.compile(rb"[0-9]{65}")  # tarfile's search takes quadratic time in the length of such numbers
# tarfile's own errors, and those that it does not catch for damaged headers.
DAMAGED = (tarfile.TarError, EOFError, OSError, RecursionError, ValueError, ArithmeticError, LookupError)


async def tar_pictures(
    body: Body, image_bytes: int, max_images: int, read: ReadPicture = read_picture
) -> AsyncIterator[Picture]:
    """Yield the pictures in order; a bad picture fails alone. Raises TooLarge, and BadUpload for a damaged archive."""
    with temporary_file() as file:
        await spool(body, file)
        async for picture in in_thread(_members(file, image_bytes, max_images, read)):
            yield picture


def _check_entries(count: int, max_images: int) -> None:
    """Limit all entries of the archive, whether they are pictures or not."""
    limit = 2 * max_images + MAX_EXTRA_ENTRIES
    if count > limit:
        raise TooLarge(f"the tar archive has more than {limit} entries; a job takes at most {max_images} images")


class _BoundedTarInfo(tarfile.TarInfo):
    def _proc_member(self, archive: Any) -> tarfile.TarInfo:
        """Override tarfile's hook for subclasses, which is called for every header."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse()
        if self.type in EXTENSIONS:
            archive.extensions += 1
            _check_extension(self, archive)
        else:
            archive.extensions = 0
        info: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        if not 0 <= info.size <= os.fstat(archive.fileobj.fileobj.fileno()).st_size:  # tarfile would skip for ever
            raise tarfile.ReadError(f"a member declares {info.size:.3g} bytes, more than the archive has")
        return info

    def _proc_gnusparse_00(self, *_: object) -> None:
        raise _sparse()

    def _proc_gnusparse_01(self, *_: object) -> None:
        raise _sparse()

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise _sparse()


class _BoundedTar(tarfile.TarFile):
    tarinfo = _BoundedTarInfo
    extensions = 0  # since the last member


def _sparse() -> tarfile.ReadError:
    return tarfile.ReadError("a sparse file; pack the archive without --sparse")


def _check_extension(info: tarfile.TarInfo, archive: Any) -> None:
    if not 0 <= info.size <= MAX_EXTENSION_BYTES:
        raise tarfile.ReadError(f"a name or header of {info.size} bytes")
    if archive.extensions > MAX_EXTENSIONS:
        raise tarfile.ReadError(f"more than {MAX_EXTENSIONS} names and headers before one member")
    if len(archive.pax_headers) > MAX_GLOBAL_HEADERS:
        raise tarfile.ReadError(f"more than {MAX_GLOBAL_HEADERS} global headers")
    if info.type in PAX:
        file = archive.fileobj.fileobj  # the file below the stream, which cannot look ahead
        _check_pax(os.pread(file.fileno(), info.size, info.offset + tarfile.BLOCKSIZE))


def _check_pax(data: bytes) -> None:
    """Refuse overlapping records. tarfile would make thousands of long keys out of the same bytes."""
    if LONG_NUMBER.search(data):
        raise tarfile.ReadError("a header with a number of more than 64 digits")
    at = 0
    while at < len(data) and data[at]:
        record = PAX_RECORD.match(data, at)
        end = at + int(record[1]) if record else 0
        if record is None or end <= record.end() or end > len(data) or data[end - 1] != ord("\n"):
            raise tarfile.ReadError("a damaged pax header")
        at = end


def _members(file: IO[bytes], image_bytes: int, max_images: int, read: ReadPicture) -> Iterator[Picture]:
    try:
        with _BoundedTar.open(fileobj=file, mode="r|") as archive:
            yield from _pictures(archive, image_bytes, max_images, read)
            file.seek(archive.offset)  # the place where tarfile found no further member
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise BadUpload("the tar archive is damaged or ends too early")
    except DAMAGED as error:
        raise BadUpload(f"not a readable tar archive: {error_text(error)}") from None


def _pictures(archive: tarfile.TarFile, image_bytes: int, max_images: int, read: ReadPicture) -> Iterator[Picture]:
    for number, info in enumerate(archive, 1):
        archive.members = []  # type: ignore[attr-defined]  # it would keep every member in memory
        _check_entries(number, max_images)
        if info.isfile() and is_picture_file(info.name):
            size_bytes = min(info.size, image_bytes + 1)
            content = archive.fileobj.read(size_bytes)  # the stream is at the member's data
            if len(content) < size_bytes:
                raise tarfile.ReadError("unexpected end of data")
            yield picture_of(info.name, content, image_bytes, read)
