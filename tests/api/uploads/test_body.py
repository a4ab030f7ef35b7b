import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest

from api.uploads.body import Body, unpacked
from api.uploads.ratio import Unpacked
from shared.errors import BadUpload, TooLarge

Item = TypeVar("Item")

SIZES = [1, 7, 65536]  # sizes of the pieces of a body
LIMIT_BYTES = 1 << 20
DATA = bytes(range(256)) * 300


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def body_of(data: bytes, size: int = 65536, limit_bytes: int = LIMIT_BYTES) -> Body:
    return Body(in_pieces(data, size), limit_bytes)


def collect(items: AsyncIterator[Item]) -> list[Item]:
    async def run() -> list[Item]:
        return [item async for item in items]

    return asyncio.run(run())


def unpack(data: bytes, size: int = 65536, limit_bytes: int = LIMIT_BYTES) -> bytes:
    async def run() -> bytes:
        body = await unpacked(body_of(data, size), Unpacked(limit_bytes, 10_000))
        return b"".join([piece async for piece in body.pieces()])

    return asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
async def test_every_byte_is_read_once_and_in_order(size: int) -> None:
    body = body_of(DATA, size)
    assert await body.peek(10) == DATA[:10]
    assert await body.read(3) == DATA[:3]
    assert await body.peek(300) == DATA[3:303]
    assert await body.read(70_000) == DATA[3:70_003]
    assert b"".join([piece async for piece in body.pieces()]) == DATA[70_003:]
    assert await body.peek(1) == await body.read(1) == b""


async def test_at_the_end_fewer_bytes_are_returned() -> None:
    body = body_of(b"abc", 2)
    assert await body.peek(10) == b"abc"
    assert await body.read(10) == b"abc"
    assert await body.read(10) == b""


def test_empty_pieces_do_not_end_a_body() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"", b"ab", b"", b"", b"c", b""):
            yield piece

    assert collect(Body(pieces(), LIMIT_BYTES).pieces()) == [b"ab", b"c"]


async def test_no_more_than_necessary_is_read_from_the_client() -> None:
    pieces = in_pieces(DATA, 100)
    assert await Body(pieces, LIMIT_BYTES).peek(101) == DATA[:101]
    assert await anext(pieces) == DATA[200:300]


@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(size: int) -> None:
    assert b"".join(collect(body_of(DATA, size, len(DATA)).pieces())) == DATA
    with pytest.raises(TooLarge, match=f"the body is larger than {len(DATA) - 1} bytes"):
        collect(body_of(DATA, size, len(DATA) - 1).pieces())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "packed",
    [
        DATA,
        gzip.compress(DATA),
        gzip.compress(DATA, 0),
        gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:]),
        gzip.compress(DATA) + bytes(99),
    ],
    ids=["plain", "gzip", "gzip, stored", "two members", "padded"],
)
def test_a_body_is_the_same_with_and_without_gzip(packed: bytes, size: int) -> None:
    assert unpack(packed, size) == DATA


def test_nothing_that_packs_well_is_lost_at_the_end() -> None:
    data = bytes(1_000_003)
    assert unpack(gzip.compress(data), 1) == data


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x8b\x1f"])
def test_other_data_is_left_unchanged(data: bytes) -> None:
    assert unpack(data) == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("length", [2, 9, 11, 100, -9, -8, -1])
def test_gzip_data_cut_short_is_refused(length: int, size: int) -> None:
    with pytest.raises(BadUpload, match="the gzip data ends too early"):
        unpack(gzip.compress(DATA)[:length], size)


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(DATA)[:-8] + bytes(4) + gzip.compress(DATA)[-4:],
        gzip.compress(DATA)[:-4] + bytes(4),
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 50,
        b"\x1f\x8b" + b"\xff" * 50,
        gzip.compress(DATA) + b"more",
    ],
    ids=["CRC", "length", "deflate data", "header", "what follows"],
)
def test_damaged_gzip_data_is_refused(damaged: bytes) -> None:
    with pytest.raises(BadUpload, match="damaged gzip data"):
        unpack(damaged)


def test_a_gzip_bomb_is_stopped_at_the_limit_and_never_in_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=f"the body is larger than {10 * LIMIT_BYTES} bytes"):
            unpack(bomb, limit_bytes=10 * LIMIT_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 11.5 * LIMIT_BYTES
    finally:
        tracemalloc.stop()
