"""What a client holds already is not sent again."""

import pytest
from starlette.datastructures import Headers

from api.http.caching import kept_as, not_modified, tag_of

TAG = tag_of(b"content")


def test_a_tag_is_of_the_content() -> None:
    assert TAG == tag_of(b"content") != tag_of(b"other")
    assert TAG.startswith('"')
    assert TAG.endswith('"')
    assert kept_as(TAG)["ETag"] == TAG


@pytest.mark.parametrize("held", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_what_is_held_is_a_304_with_its_tag(held: str) -> None:
    reply = not_modified(Headers({"if-none-match": held}), TAG)
    assert reply is not None
    assert (reply.status_code, reply.body, reply.headers["etag"]) == (304, b"", TAG)


@pytest.mark.parametrize("held", ["", '"other"', TAG.strip('"')])
def test_what_is_not_is_sent(held: str) -> None:
    assert not_modified(Headers({"if-none-match": held}), TAG) is None
