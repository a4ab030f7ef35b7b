import gzip
import zlib

import pytest

from api.routes.compat import bodies
from api.routes.compat.bodies import WINDOW_BITS, packed, unpack
from shared.errors import BadParameter, TooLarge

TEXT = b"0123456789" * 10_000


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_unpacked(encoding: str, pack: object) -> None:
    assert callable(pack)
    assert unpack(pack(TEXT), WINDOW_BITS[encoding]) == TEXT


def test_a_body_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 50_000)
    with pytest.raises(TooLarge, match="more than 50000 bytes"):
        unpack(gzip.compress(TEXT), WINDOW_BITS["gzip"])


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(TEXT, mtime=0)[:-10]])
def test_damaged_data_are_refused(body: bytes) -> None:
    with pytest.raises(BadParameter, match=r"cannot be unpacked|ends too early"):
        unpack(body, WINDOW_BITS["gzip"])


@pytest.mark.parametrize(("accept", "encoding"), [("br, gzip", "gzip"), ("deflate;q=0.5", "deflate"), ("br", None)])
def test_a_long_response_is_compressed_as_the_client_accepts(accept: str, encoding: str | None) -> None:
    body, headers = packed(TEXT, accept)
    assert headers.get("Content-Encoding") == encoding
    assert (unpack(body, WINDOW_BITS[encoding]) if encoding else body) == TEXT


def test_a_short_response_is_not_compressed() -> None:
    assert packed(b"short", "gzip") == (b"short", {})
