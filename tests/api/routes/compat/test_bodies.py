import gzip
import zlib

import pytest

from api.http.bodies import Bodies
from api.routes.compat.bodies import WINDOW_BITS, packed, unpack
from shared.errors import BadParameter, QueueFull, TooLarge
from tests.api.uploads.archives.test_zips import max_memory

TEXT = b"0123456789" * 10_000
LIMIT = 1 << 20


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_unpacked(encoding: str, pack: object) -> None:
    assert callable(pack)
    assert unpack(pack(TEXT), WINDOW_BITS[encoding], LIMIT) == TEXT


def test_a_body_that_unpacks_to_too_much_is_refused_and_told_what_to_send() -> None:
    with pytest.raises(TooLarge, match="more than 50000 bytes: send fewer images per request, binary tensors"):
        unpack(gzip.compress(TEXT), WINDOW_BITS["gzip"], 50_000)


def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    with max_memory(4 << 20), pytest.raises(TooLarge):
        unpack(bomb, WINDOW_BITS["gzip"], 1 << 20)


def test_unpacked_bytes_count_as_held() -> None:
    with Bodies(50_000).held() as held, pytest.raises(QueueFull, match="50000 bytes"):
        unpack(gzip.compress(TEXT), WINDOW_BITS["gzip"], LIMIT, held)


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(TEXT, mtime=0)[:-10]])
def test_damaged_data_are_refused(body: bytes) -> None:
    with pytest.raises(BadParameter, match=r"cannot be unpacked|ends too early"):
        unpack(body, WINDOW_BITS["gzip"], LIMIT)


@pytest.mark.parametrize(("accept", "encoding"), [("br, gzip", "gzip"), ("deflate;q=0.5", "deflate"), ("br", None)])
async def test_a_long_response_is_compressed_as_the_client_accepts(accept: str, encoding: str | None) -> None:
    body, headers = await packed(TEXT, accept)
    assert headers.get("Content-Encoding") == encoding
    assert (unpack(body, WINDOW_BITS[encoding], LIMIT) if encoding else body) == TEXT


async def test_a_short_response_is_not_compressed() -> None:
    assert await packed(b"short", "gzip") == (b"short", {})
