"""What uploads of zip and tar archives share: a file on disk, members read in a thread, bounds on their count."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import IO

from api.images.decode import Picture, ReadPicture
from api.uploads.body import Body
from shared.errors import TooLarge

AT_A_TIME = 64  # pictures decoded in a thread before the event loop hears of them
EXTRA_ENTRIES = 1000  # beside two for each picture: folders, and what macOS adds


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


def picture_of(name: str, data: bytes, image_bytes: int, read: ReadPicture) -> Picture:
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return read(name, data)


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
