"""The requests and replies of a load."""

import pytest

from mnistified.http.http_wire import Incomplete, read_reply, retry_after_s, to_request


def test_a_request_has_its_length_and_the_key() -> None:
    head, _, body = to_request("/mnist/classify", b"png", "example.org:5000", "s3cret").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mnist/classify HTTP/1.1\r\nHost: example.org:5000\r\n")
    assert b"Content-Length: 3" in head
    assert b"Authorization: Bearer s3cret" in head
    assert body == b"png"
    assert b"Authorization" not in to_request("/mnist/classify", b"png")


def test_a_reply_is_complete_or_incomplete() -> None:
    reply = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\nx: y\r\n\r\nbusy"
    assert read_reply(reply) == (429, b"busy")
    for end in (10, len(reply) - 5, len(reply) - 1):
        with pytest.raises(Incomplete):
            read_reply(reply[:end])


def test_retry_after_is_read_from_the_head_of_a_reply() -> None:
    head = b"HTTP/1.1 429 X\r\nRetry-After: 12\r\ncontent-length: 16\r\n\r\n"
    assert retry_after_s(head + b"\r\nretry-after: 9") == 12
    assert retry_after_s(b"HTTP/1.1 429 X\r\n\r\n\r\nretry-after: 9") == 0


def test_a_reply_of_unknown_length_is_refused() -> None:
    with pytest.raises(ValueError, match="without a Content-Length"):
        read_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
