"""Shared by zip and tar uploads: members read in a thread, and the choice of picture files."""

import itertools
import time
from collections.abc import AsyncIterator, Iterator

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture

BATCH_PICTURES = 64  # unpacked and decoded in one call of a thread …
BATCH_S = 0.05  # … but large ones take longer than others should wait for the thread
# Names in lower case that Windows, macOS and file managers add to folders.
ADDED_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information", "@eadir"})
ADDED_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_picture_file(name: str) -> bool:
    """Return whether the member is a file that a person chose: no folder, and nothing that a system has added.

    Hidden files and folders begin with a dot. Windows separates folders by `\\`.
    """
    return not name.endswith(("/", "\\")) and name != "" and not is_added_by_system(name)


def is_added_by_system(name: str) -> bool:
    *folders, last = name.replace("\\", "/").split("/")
    if last.lower() in ADDED_FILES or not ADDED_FOLDERS.isdisjoint(folder.lower() for folder in folders):
        return True
    return any(part.startswith(".") and part not in (".", "..") for part in (*folders, last))


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
