"""What uploads of zip and tar archives share: a file on disk, members read in a thread, bounds on their count."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.pictures import Picture, read_picture
from api.uploads.body import Body
from shared.errors import TooLarge

ZIP_END = struct.Struct("<4s4H2LH")  # end of the central directory (APPNOTE.TXT 4.3.16)
ZIP64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
ZIP64_END = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
MOST_COMMENT_BYTES = 0xFFFF
SPARE_ENTRIES = 1000  # folders and hidden files beside the images
MOST_ENTRY_BYTES = 512  # of the directory, on average: zipfile holds all of it in memory
AT_A_TIME = 64  # pictures decoded in a thread before the event loop hears of them
EXTRA_ENTRIES = 1000  # beside two for each picture: folders, and what macOS adds


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


def check_entries(count: int, most: int) -> None:
    """All of an archive's entries, whatever they are: `most` is of pictures."""
    if count > 2 * most + EXTRA_ENTRIES:
        raise TooLarge(
            f"an archive has more than {2 * most + EXTRA_ENTRIES} entries; a job takes at most {most} images"
        )


def picture_of(name: str, data: bytes, image_bytes: int) -> Picture:
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return read_picture(name, data)


async def spool(body: Body, file: IO[bytes]) -> int:
    """How many bytes were put into `file`, which then stands at its start."""
    async for piece in body.pieces():
        file.write(piece)
    size_bytes = file.tell()
    file.seek(0)
    return size_bytes


async def in_thread(pictures: Iterator[Picture]) -> AsyncIterator[Picture]:
    """Unpack and decode in a thread, a few at a time, so that single requests are served in between."""
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(pictures, AT_A_TIME))):
        for picture in batch:
            yield picture
