"""A client that has the current content in its cache gets a 304."""

import pytest
from starlette.datastructures import Headers

from api.http.caching import cache_headers, etag_of, not_modified

TAG = etag_of(b"content")


def test_a_tag_depends_on_the_content() -> None:
    assert TAG == etag_of(b"content") != etag_of(b"other")
    assert TAG.startswith('"')
    assert TAG.endswith('"')
    assert cache_headers(TAG)["ETag"] == TAG


@pytest.mark.parametrize("cached", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_a_cached_response_is_a_304_with_its_tag(cached: str) -> None:
    reply = not_modified(Headers({"if-none-match": cached}), TAG)
    assert reply is not None
    assert (reply.status_code, reply.body, reply.headers["etag"]) == (304, b"", TAG)


@pytest.mark.parametrize("cached", ["", '"other"', TAG.strip('"')])
def test_other_content_is_sent(cached: str) -> None:
    assert not_modified(Headers({"if-none-match": cached}), TAG) is None
