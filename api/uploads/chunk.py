"""The chunk: the part of an upload that becomes one stream entry."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

from api.images.decode import Picture
from api.uploads.safe_text import MAX_REASON_CHARS, safe_text
from shared.contract.job import NumberLine
from shared.errors import BadUpload, TooLarge


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` images in input order. `pixels` has those of each image whose position is not in `errors`.

    Pictures of numbers have `numbers`, and in `pixels` all of their windows.
    """

    pixels: bytes
    count: int
    names: Sequence[str] | None = None
    errors: dict[int, str] = field(default_factory=dict)
    numbers: Sequence[NumberLine] = ()


async def chunk_pictures(pictures: AsyncIterator[Picture], chunk_images: int, max_images: int) -> AsyncIterator[Chunk]:
    """Group pictures into chunks of `chunk_images`. Raises TooLarge above `max_images`, BadUpload if there are none."""
    gathered: list[Picture] = []
    total = 0
    async for picture in pictures:
        total += 1
        check_total(total, max_images)
        name, error = safe_text(picture.name), safe_text(picture.error, MAX_REASON_CHARS)
        gathered.append(Picture(name, picture.pixels, error, picture.number))
        if len(gathered) == chunk_images:
            yield _chunk(gathered)
            gathered = []
    if not total:
        raise BadUpload("the upload has no images")
    if gathered:
        yield _chunk(gathered)


async def read_ahead(chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks, and read the next one while the consumer stores the current one.

    Each chunk is read in a task of its own. Close this iterator if you leave it early, so that no task is left.
    """
    reading = asyncio.ensure_future(_next(chunks))
    try:
        while (chunk := await reading) is not None:
            reading = asyncio.ensure_future(_next(chunks))
            yield chunk
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _next(chunks: AsyncIterator[Chunk]) -> Chunk | None:
    return await anext(chunks, None)


def check_total(total: int, max_images: int) -> None:
    if total > max_images:
        raise TooLarge(f"a job takes at most {max_images} images, and this one has more")


def _chunk(pictures: Sequence[Picture]) -> Chunk:
    return Chunk(
        pixels=b"".join(picture.pixels for picture in pictures if picture.pixels is not None),
        count=len(pictures),
        names=[picture.name for picture in pictures],
        errors={position: picture.error for position, picture in enumerate(pictures) if picture.pixels is None},
        numbers=tuple(picture.number for picture in pictures if picture.number is not None),
    )
