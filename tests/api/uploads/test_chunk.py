import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from api.images.decode import Picture
from api.uploads.chunk import Chunk, check_total, chunk_pictures, read_ahead
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_body import collect


def readable(number: int) -> Picture:
    return Picture(f"{number}.png", bytes([number]) * 784)


async def one_by_one(pictures: Sequence[Picture]) -> AsyncIterator[Picture]:
    for picture in pictures:
        yield picture


def chunks_of(pictures: Sequence[Picture], chunk_images: int = 3, max_images: int = 100) -> list[Chunk]:
    return collect(chunk_pictures(one_by_one(pictures), chunk_images, max_images))


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [2]), (3, [3]), (4, [3, 1]), (9, [3, 3, 3])])
def test_all_chunks_are_full_but_the_last(count: int, sizes: list[int]) -> None:
    chunks = chunks_of([readable(number) for number in range(count)])
    assert [chunk.count for chunk in chunks] == sizes
    assert b"".join(chunk.pixels for chunk in chunks) == b"".join(bytes([number]) * 784 for number in range(count))
    assert [name for chunk in chunks for name in chunk.names or ()] == [f"{number}.png" for number in range(count)]
    assert not any(chunk.errors for chunk in chunks)


def test_an_unreadable_picture_leaves_its_reason_at_its_position_and_no_pixels() -> None:
    pictures = [readable(number) for number in range(6)]
    pictures[1] = Picture("one", None, "the first reason")
    pictures[5] = Picture("five", None, "the second reason")
    assert chunks_of(pictures) == [
        Chunk(bytes(784) + b"\x02" * 784, 3, ["0.png", "one", "2.png"], {1: "the first reason"}),
        Chunk(b"\x03" * 784 + b"\x04" * 784, 3, ["3.png", "4.png", "five"], {2: "the second reason"}),
    ]


def test_a_chunk_may_have_no_readable_picture_at_all() -> None:
    assert chunks_of([Picture("a", None, "why")]) == [Chunk(b"", 1, ["a"], {0: "why"})]


def test_an_upload_without_pictures_is_refused() -> None:
    with pytest.raises(BadUpload, match="the upload has no images"):
        chunks_of([])


def test_the_limit_of_pictures_passes_and_one_more_does_not() -> None:
    assert len(chunks_of([readable(number) for number in range(5)], max_images=5)) == 2
    with pytest.raises(TooLarge, match="at most 5 images"):
        chunks_of([readable(number) for number in range(6)], max_images=5)


def test_a_total_is_checked_against_the_limit() -> None:
    check_total(5, 5)
    with pytest.raises(TooLarge, match="a job takes at most 5 images"):
        check_total(6, 5)


class Source:
    """Chunks with 1, 2, … images, and then an error or silence. It says how many it has begun to read."""

    def __init__(self, error: Exception | None = None, last: int = 4) -> None:
        self.begun = 0
        self.closed = False
        self.last = last
        self._error = error

    async def chunks(self) -> AsyncIterator[Chunk]:
        try:
            while self.begun < self.last:
                self.begun += 1
                await asyncio.sleep(0)
                yield Chunk(b"", self.begun)
            if self._error:
                raise self._error
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def store(source: Source, used: list[int], error: Exception | None = None) -> None:
    """Use each chunk for some turns of the event loop. Raise `error` at the last one."""
    async with aclosing(read_ahead(source.chunks())) as ahead:
        async for chunk in ahead:
            used.append(chunk.count)
            for _ in range(3):
                await asyncio.sleep(0)
            if error is not None and chunk.count == source.last:
                raise error
            assert source.begun == min(chunk.count + 1, source.last)


async def test_the_next_chunk_is_read_while_one_is_in_use() -> None:
    used: list[int] = []
    source = Source()
    with pytest.raises(TooLarge):
        await store(source, used, TooLarge("the queue is full"))
    assert used == [1, 2, 3, 4]
    assert source.closed


async def test_an_error_of_the_upload_comes_after_the_chunks_before_it() -> None:
    used: list[int] = []
    with pytest.raises(BadUpload, match="damaged"):
        await store(Source(BadUpload("damaged")), used)
    assert used == [1, 2, 3, 4]


async def test_an_error_that_nobody_waits_for_is_not_reported_as_lost() -> None:
    """The consumer fails after the next chunk has failed, too: only the first error is raised."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    with pytest.raises(TooLarge):
        await store(Source(BadUpload("damaged"), last=1), [], TooLarge("the queue is full"))
    gc.collect()
    assert complaints == []
