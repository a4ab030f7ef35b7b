"""Shared by zip and tar uploads: members read in a thread, and the choice of picture files."""

import itertools
import re
import time
from collections.abc import AsyncIterator, Iterator

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture

BATCH_PICTURES = 64  # unpacked and decoded in one call of a thread …
BATCH_S = 0.05  # … but large ones take longer than others should wait for the thread
# A folder or file that Windows, macOS or a file manager has added to a folder, or a hidden one, in lower case. One
# search per name, because a name may have a thousand folders.
_ADDED = re.compile(
    r"(?:^|/)(?:(?:__macosx|\$recycle\.bin|system volume information|@eadir)/"
    r"|(?:thumbs\.db|ehthumbs\.db|desktop\.ini)\Z"
    r"|\.(?!\.?(?:/|\Z)))"
)


def is_picture_file(name: str) -> bool:
    """Return whether the member is a file that a person chose: no folder, and nothing that a system has added.

    Hidden files and folders begin with a dot. Windows separates folders by `\\`.
    """
    return not name.endswith(("/", "\\")) and name != "" and not is_added_by_system(name)


def is_added_by_system(name: str) -> bool:
    return _ADDED.search(name.replace("\\", "/").lower()) is not None


def picture_of(name: str, data: bytes, image_bytes: int, read: ReadPicture) -> Picture:
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return read(name, data)


async def in_thread(pictures: Iterator[Picture]) -> AsyncIterator[Picture]:
    """Unpack and decode a few pictures at a time in a thread, so that other requests get the thread in between."""
    while batch := await in_bulk_thread(_batch, pictures):
        for picture in batch:
            yield picture


def _batch(pictures: Iterator[Picture]) -> list[Picture]:
    """Return the next pictures, as many as take BATCH_S, but at least one unless there are none."""
    started_s = time.perf_counter()
    batch: list[Picture] = []
    for picture in itertools.islice(pictures, BATCH_PICTURES):
        batch.append(picture)
        if time.perf_counter() - started_s > BATCH_S:
            break
    return batch
