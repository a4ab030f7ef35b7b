"""The chunk: the part of an upload that becomes one entry."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from api.images.decode import Picture
from api.uploads.texts import MAX_REASON_CHARS, shown
from shared.errors import BadUpload, TooLarge


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` images in input order. `pixels` has 784 bytes for each that is not in `errors`."""

    pixels: bytes
    count: int
    names: Sequence[str] | None = None
    errors: dict[int, str] = field(default_factory=dict)


async def chunk_pictures(pictures: AsyncIterator[Picture], chunk_images: int, most: int) -> AsyncIterator[Chunk]:
    """Chunks of `chunk_images`, the last one shorter. Raises TooLarge past `most` pictures, BadUpload without any."""
    gathered: list[Picture] = []
    total = 0
    async for picture in pictures:
        total += 1
        check_total(total, most)
        gathered.append(Picture(shown(picture.name), picture.pixels, shown(picture.error, MAX_REASON_CHARS)))
        if len(gathered) == chunk_images:
            yield _chunk(gathered)
            gathered = []
    if not total:
        raise BadUpload("the upload has no images")
    if gathered:
        yield _chunk(gathered)


def check_total(total: int, most: int) -> None:
    if total > most:
        raise TooLarge(f"a job takes at most {most} images, this one has more")


def _chunk(pictures: Sequence[Picture]) -> Chunk:
    return Chunk(
        pixels=b"".join(picture.pixels for picture in pictures if picture.pixels is not None),
        count=len(pictures),
        names=[picture.name for picture in pictures],
        errors={position: picture.error for position, picture in enumerate(pictures) if picture.pixels is None},
    )
