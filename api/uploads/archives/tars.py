"""Uploads of tar archives. tarfile reads them from a file on disk, within limits that tarfile itself does not have."""

import os
import re
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

from api.images.decode import Picture, ReadPicture, read_picture
from api.uploads.archives.members import in_thread, is_picture_file, picture_of
from api.uploads.body import Body
from api.uploads.safe_text import error_text
from api.uploads.temporary import spool, temporary_file
from shared.errors import BadUpload, TooLarge

MAX_EXTRA_ENTRIES = 1000  # in addition to two for each picture: folders, and files that macOS adds
MAX_EXTENSION_BYTES = 1 << 16  # tarfile reads an extension into memory whole
MAX_EXTENSIONS = 8  # before one member, because tarfile recurses into each
MAX_GLOBAL_HEADERS = 64  # tarfile keeps all of them in memory
MAX_SPARSE_BLOCKS = 64  # maximum length of a map; a block has 21 pieces
SPARSE_EXTENDED_OFFSET = 504  # in a block of a map: whether another block follows
READ_BYTES = 1 << 20
KINDS = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a named pipe (FIFO)"}
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
    is_sparse = False

    def _proc_member(self, archive: Any) -> tarfile.TarInfo:
        """Override tarfile's hook for subclasses, which is called for every header."""
        if self.type in EXTENSIONS:
            archive.extensions += 1
            _check_extension(self, archive)
        else:
            archive.extensions = 0
        skips = self.type == tarfile.GNUTYPE_SPARSE
        info: _BoundedTarInfo = self._skip_map(archive) if skips else super()._proc_member(archive)  # type: ignore[misc]
        if info.is_sparse:  # its size has been checked as that of the data in the archive, and is now that of the file
            return info
        if not 0 <= info.size <= os.fstat(archive.fileobj.fileobj.fileno()).st_size:  # tarfile would skip for ever
            raise tarfile.ReadError(f"a member declares {info.size:.3g} bytes, more than the archive has")
        return info

    def _skip_map(self, archive: Any) -> "_BoundedTarInfo":
        """Skip the map of a sparse file, which tarfile would read without a limit."""
        _, extended, _ = self._sparse_structs  # type: ignore[attr-defined]  # set by `frombuf`
        for _ in range(MAX_SPARSE_BLOCKS):
            if not extended:
                break
            block = archive.fileobj.read(tarfile.BLOCKSIZE)
            extended = block[SPARSE_EXTENDED_OFFSET : SPARSE_EXTENDED_OFFSET + 1] > b"\0"
        else:
            raise tarfile.ReadError("a sparse file of too many pieces; pack the archive without --sparse")
        self.is_sparse = True
        self.offset_data = archive.fileobj.tell()
        archive.offset = self.offset_data + self._block(self.size)  # type: ignore[attr-defined]
        return self

    def _proc_gnusparse_00(self, info: "_BoundedTarInfo", *_: object) -> None:
        info.is_sparse = True

    def _proc_gnusparse_01(self, info: "_BoundedTarInfo", *_: object) -> None:
        info.is_sparse = True

    def _proc_gnusparse_10(self, info: "_BoundedTarInfo", *_: object) -> None:
        info.is_sparse = True

    def unreadable(self) -> str:
        """Return why the member has no content of its own, or an empty string."""
        if self.is_sparse:
            return "a sparse file: pack the archive without --sparse"
        if self.issym() or self.islnk():
            kind, option = ("symbolic", "--dereference") if self.issym() else ("hard", "--hard-dereference")
            return f"a {kind} link to {self.linkname!r}: pack the archive with {option}"
        return "" if self.isreg() else f"{KINDS.get(self.type, 'a special file')}, which has no content"


class _BoundedTar(tarfile.TarFile):
    tarinfo = _BoundedTarInfo
    extensions = 0  # since the last member


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
            _check_end(file, archive.offset)  # the place where tarfile found no further member
    except DAMAGED as error:
        raise BadUpload(f"not a readable tar archive: {error_text(error)}") from None


def _check_end(file: IO[bytes], end: int) -> None:
    """Raise BadUpload unless the archive ends with a block of zeros, and only zeros follow."""
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise BadUpload("the tar archive is damaged or ends too early")
    while piece := file.read(READ_BYTES):
        if piece.strip(b"\0"):
            raise BadUpload("there is data after the end of the tar archive: send each archive by itself")


def _pictures(archive: tarfile.TarFile, image_bytes: int, max_images: int, read: ReadPicture) -> Iterator[Picture]:
    for number, info in enumerate(archive, 1):
        archive.members = []  # type: ignore[attr-defined]  # it would keep every member in memory
        _check_entries(number, max_images)
        if info.isdir() or not is_picture_file(info.name):
            continue
        assert isinstance(info, _BoundedTarInfo), "the class attribute `tarinfo` says so"
        if reason := info.unreadable():
            yield Picture(info.name, None, reason)
        else:
            size_bytes = min(info.size, image_bytes + 1)
            content = archive.fileobj.read(size_bytes)  # the stream is at the member's data
            if len(content) < size_bytes:
                raise tarfile.ReadError("unexpected end of data")
            yield picture_of(info.name, content, image_bytes, read)
