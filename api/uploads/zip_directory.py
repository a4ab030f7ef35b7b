"""The directory of a zip archive, which comes last in it and names every member.

zipfile reads all of it into memory and keeps it, more than a gigabyte for a million members. Here zipfile is given the
archive as if it ended in a directory of a few of them, time and again.
"""

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from api.uploads.archives import check_entries, is_picture_file
from shared.errors import BadUpload, TooLarge

ENTRY = struct.Struct("<4s24x3H12x")  # signature, and the lengths of name, extra field and comment, which follow it
ENTRY_SIGNATURE = b"PK\x01\x02"
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
SEE_64, SEE_64_SHORT = 0xFFFFFFFF, 0xFFFF  # in the older record: what the other one says counts
MEAN_ENTRY_BYTES = 1024  # that an archive's entries may have on average
ENTRIES_AT_A_TIME = 1000
PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Directory:
    """Bytes `start` to `end` of a file; `before` come before the archive itself. `pictures` counts those in it."""

    start: int
    end: int
    before: int
    pictures: int


class Part:
    """An archive with only some of its entries, `entries`, as a file that zipfile reads."""

    def __init__(self, file: IO[bytes], directory: Directory, entries: bytes, count: int) -> None:
        at = directory.start - directory.before
        end_64 = END_64.pack(b"PK\x06\x06", END_64.size - 12, 45, 45, 0, 0, count, count, len(entries), at)
        locator = LOCATOR_64.pack(b"PK\x06\x07", 0, at + len(entries), 1)
        end = END.pack(b"PK\x05\x06", 0, 0, SEE_64_SHORT, SEE_64_SHORT, SEE_64, SEE_64, 0)
        self._file = file
        self._start = directory.start
        self._tail = entries + end_64 + locator + end
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._start + len(self._tail)}[whence]
        if base + offset < 0:
            raise OSError("a place before the archive")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most as far as the members go, or from the directory on."""
        if self._at < self._start:
            self._file.seek(self._at)
            most = self._start - self._at
            data = self._file.read(most if size < 0 else min(size, most))
        else:
            tail_at = self._at - self._start
            data = self._tail[tail_at:] if size < 0 else self._tail[tail_at : tail_at + size]
        self._at += len(data)
        return data


def find_directory(file: IO[bytes], most: int) -> Directory:
    """Walk the directory and count, whatever its record says.

    Raises TooLarge, BadUpload where the record says another count, and BadZipFile.
    """
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the same record that zipfile would go by
    if record is None:
        raise zipfile.BadZipFile("there is no directory at its end")
    signature, claimed, size_bytes, offset, end = record[0], record[4], record[5], record[6], record[9]
    check_entries(claimed, most)
    if signature == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
        end -= END_64.size + LOCATOR_64.size
    start = end - size_bytes
    if start < 0:
        raise zipfile.BadZipFile("its directory would begin before it")
    count = pictures = 0
    for entry in _raw_entries(file, start, end):
        count += 1
        check_entries(count, most)
        pictures += is_picture_file(_name(entry))
    if count & SEE_64_SHORT != claimed & SEE_64_SHORT:
        raise BadUpload(f"the zip archive says that it has {claimed} entries, its directory has {count}")
    if size_bytes > (count + 1) * MEAN_ENTRY_BYTES + (1 << 20):
        raise TooLarge(f"the directory of the zip archive has {size_bytes} bytes for {count} entries")
    return Directory(start, end, start - offset, pictures)


def entries_of(file: IO[bytes], directory: Directory) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """Each entry in order, with the archive that opens it, as long as the next one is not asked for.

    Raises zipfile's errors.
    """
    part, part_bytes = [], 0
    for entry in _raw_entries(file, directory.start, directory.end):
        part.append(entry)
        part_bytes += len(entry)
        if len(part) >= ENTRIES_AT_A_TIME or part_bytes >= PART_BYTES:
            yield from _entries_of_part(file, directory, part)
            part, part_bytes = [], 0
    yield from _entries_of_part(file, directory, part)


def _entries_of_part(
    file: IO[bytes], directory: Directory, part: list[bytes]
) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    with zipfile.ZipFile(Part(file, directory, b"".join(part), len(part))) as archive:
        for info in archive.infolist():
            yield archive, info


def _raw_entries(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    """With whatever else reads the file in between."""
    at = start
    while at < end:
        file.seek(at)
        head = file.read(ENTRY.size)
        if len(head) < ENTRY.size or not head.startswith(ENTRY_SIGNATURE):
            raise zipfile.BadZipFile("its directory is damaged")
        rest = sum(ENTRY.unpack(head)[1:])
        yield head + file.read(rest)
        at += ENTRY.size + rest


def _name(entry: bytes) -> str:
    """As much of it as tells whether it is a picture's, which is in ASCII whatever the rest is in."""
    name_bytes = ENTRY.unpack_from(entry)[1]
    return entry[ENTRY.size : ENTRY.size + name_bytes].partition(b"\0")[0].decode("latin-1")
