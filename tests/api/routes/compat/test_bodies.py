import pytest

from api.routes.compat.bodies import packed
from api.uploads.content_encoding import Encoding, unpack

TEXT = b"0123456789" * 10_000


@pytest.mark.parametrize(("accept", "encoding"), [("br, gzip", "gzip"), ("deflate;q=0.5", "deflate"), ("br", None)])
async def test_a_long_response_is_compressed_as_the_client_accepts(accept: str, encoding: Encoding | None) -> None:
    body, headers = await packed(TEXT, accept)
    assert headers.get("Content-Encoding") == encoding
    assert (unpack(body, encoding, len(TEXT)) if encoding else body) == TEXT


async def test_a_short_response_is_not_compressed() -> None:
    assert await packed(b"short", "gzip") == (b"short", {})
