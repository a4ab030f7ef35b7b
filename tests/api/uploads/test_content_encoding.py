import gzip
import zlib

import pytest

from api.uploads.content_encoding import Encoding, encoding_of, unpack
from shared.errors import BadUpload, TooLarge, UnknownEncoding

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
    with pytest.raises(BadUpload, match=f"the {encoding} data of the body ends too early"):
        unpack(packed[:50], encoding, len(DATA))


def test_data_of_another_format_are_refused_with_the_header_that_is_wrong() -> None:
    with pytest.raises(BadUpload, match="the body is not gzip, as its Content-Encoding says"):
        unpack(DATA, "gzip", 10**6)


@pytest.mark.parametrize(("text", "encoding"), [("", ""), ("Identity", ""), (" GZIP ", "gzip"), ("x-gzip", "gzip")])
def test_names_of_encodings(text: str, encoding: str) -> None:
    assert encoding_of(text) == encoding


@pytest.mark.parametrize("text", ["br", "zstd", "gzip, gzip", "compress", "aws-chunked"])
def test_another_encoding_is_refused_with_those_that_are_accepted(text: str) -> None:
    with pytest.raises(UnknownEncoding, match="is not supported: use gzip or deflate, or no encoding"):
        encoding_of(text)
