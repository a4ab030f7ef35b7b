import gzip
import time
import zlib

import numpy as np
import pytest

from api.http.bodies import Bodies
from api.uploads.content_encoding import (
    MAX_SMALL_MEMBERS,
    MEMBER_BYTES,
    UNPACK_BYTES,
    Encoding,
    Inflater,
    encoding_of,
    unpack,
)
from shared.errors import BadUpload, QueueFull, TooLarge, UnknownEncoding
from tests.api.uploads.archives.test_zips import max_memory

DATA = bytes(range(256)) * 40
RAW = zlib.compressobj(wbits=-15)
PACKED: list[tuple[Encoding, bytes]] = [
    ("gzip", gzip.compress(DATA)),
    ("gzip", gzip.compress(DATA[:99]) + gzip.compress(DATA[99:]) + bytes(8)),
    ("deflate", zlib.compress(DATA)),
    ("deflate", RAW.compress(DATA) + RAW.flush()),
]


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
def test_packed_bodies_are_unpacked_within_their_limit(encoding: Encoding, packed: bytes) -> None:
    assert unpack(packed, encoding, len(DATA)) == DATA
    with pytest.raises(TooLarge, match="the unpacked body has more than 9 bytes"):
        unpack(packed, encoding, 9)
    with pytest.raises(BadUpload, match=f"the {encoding} data ends too early"):
        unpack(packed[:50], encoding, len(DATA))


def test_data_of_another_format_are_refused() -> None:
    with pytest.raises(BadUpload, match="damaged gzip data, or data of another format: "):
        unpack(DATA, "gzip", 10**6)


@pytest.mark.parametrize("size_bytes", [UNPACK_BYTES - 1, UNPACK_BYTES, 3 * UNPACK_BYTES])
def test_data_that_unpack_to_many_pieces_are_whole(size_bytes: int) -> None:
    data, raw = bytes(size_bytes), zlib.compressobj(9, wbits=-15)
    assert unpack(gzip.compress(data), "gzip", size_bytes) == data
    assert unpack(raw.compress(data) + raw.flush(), "deflate", size_bytes) == data


def test_a_body_that_unpacks_to_too_much_is_refused_with_advice() -> None:
    with pytest.raises(TooLarge, match="more than 5000 bytes: send fewer images"):
        unpack(gzip.compress(DATA), "gzip", 5000, advice="send fewer images")


def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    with max_memory(4 << 20), pytest.raises(TooLarge):
        unpack(bomb, "gzip", 1 << 20)


def test_any_number_of_larger_gzip_members_is_unpacked() -> None:
    noise = np.random.default_rng(0).bytes(2 * MEMBER_BYTES)
    members = gzip.compress(noise, 1) * (2 * MAX_SMALL_MEMBERS)
    assert unpack(members, "gzip", 1 << 23) == noise * (2 * MAX_SMALL_MEMBERS)


def test_a_body_of_very_many_gzip_members_is_refused_soon() -> None:
    empty_members = gzip.compress(b"") * (MAX_SMALL_MEMBERS * 800)
    started_s = time.process_time()
    with pytest.raises(BadUpload, match="more than 1000 gzip members"):
        unpack(empty_members, "gzip", 1 << 20)
    with pytest.raises(BadUpload, match="more than 1000 gzip members"):  # as a bulk upload
        list(Inflater("gzip", empty_members[:2]).feed(empty_members[:1_000_000]))
    assert time.process_time() - started_s < 1, "as much as the square of the members would take minutes"


def test_unpacked_bytes_count_as_held() -> None:
    with Bodies(5000).held() as held, pytest.raises(QueueFull, match="5000 bytes"):
        unpack(gzip.compress(DATA), "gzip", 10**6, held)


@pytest.mark.parametrize(("text", "encoding"), [("", ""), ("Identity", ""), (" GZIP ", "gzip"), ("x-gzip", "gzip")])
def test_names_of_encodings(text: str, encoding: str) -> None:
    assert encoding_of(text) == encoding


@pytest.mark.parametrize("text", ["br", "zstd", "gzip, gzip", "compress", "aws-chunked"])
def test_another_encoding_is_refused_with_those_that_are_accepted(text: str) -> None:
    with pytest.raises(UnknownEncoding, match="is not supported: use gzip or deflate, or no encoding"):
        encoding_of(text)
