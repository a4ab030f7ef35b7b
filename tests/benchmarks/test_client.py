"""The open loop's schedule, and what the load client makes of its times."""

import pytest

from benchmarks.client import Timings, schedule_s, tell
from benchmarks.wire import Incomplete, read_reply, to_request


def test_requests_are_due_evenly_from_the_start() -> None:
    assert schedule_s(rate_per_s=4, seconds=1.5) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_the_rate_is_kept_over_any_time() -> None:
    due_s = schedule_s(rate_per_s=1234.5, seconds=2)
    assert len(due_s) == 2469
    assert due_s[-1] < 2


def test_times_are_told_in_milliseconds() -> None:
    told = tell(Timings(latencies_s=[0.001, 0.002, 0.003], late_s=[0.0005], failed=1), seconds=2.0)
    assert (told.requests, told.failed, told.seconds) == (3, 1, 2.0)
    assert told.p50_ms == pytest.approx(2)
    assert told.p99_ms == pytest.approx(3)
    assert told.late_p99_ms == pytest.approx(0.5)


def test_a_load_without_an_answer_has_only_failures() -> None:
    assert tell(Timings(failed=5), seconds=1.0).requests == 0


def test_a_request_says_how_long_it_is() -> None:
    head, _, body = to_request("/mnist/classify", b"png").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mnist/classify HTTP/1.1\r\n")
    assert b"Content-Length: 3" in head
    assert body == b"png"


def test_a_reply_is_whole_or_incomplete() -> None:
    reply = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\nx: y\r\n\r\nbusy"
    assert read_reply(reply) == (429, b"busy")
    for end in (10, len(reply) - 5, len(reply) - 1):
        with pytest.raises(Incomplete):
            read_reply(reply[:end])


def test_a_reply_of_unknown_length_is_refused() -> None:
    with pytest.raises(ValueError, match="without a Content-Length"):
        read_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
