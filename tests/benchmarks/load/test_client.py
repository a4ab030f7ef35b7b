"""The open loop's schedule, and the report of the load client."""

from benchmarks.load.client import report
from benchmarks.load.open_loop import open_loop, schedule_s
from mnistified.http.load import CLOSED, Load
from tests.client.http.replies import reply, serving


def test_requests_are_due_evenly_from_the_start() -> None:
    assert schedule_s(rate_per_s=4, seconds=1.5) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_the_rate_is_kept_over_any_time() -> None:
    due_s = schedule_s(rate_per_s=1234.5, seconds=2)
    assert len(due_s) == 2469
    assert due_s[-1] < 2


def test_an_open_loop_sends_every_request_that_is_due() -> None:
    with serving(reply(200), reply(429), reply(200), b"") as server:
        load, late_s = open_loop(server.url, [b"POST / HTTP/1.1\r\n\r\n"], 1, schedule_s(100, 0.2))
    assert (len(load.latencies_s), dict(load.refused), dict(load.failed)) == (10, {"429": 5}, {CLOSED: 5})
    assert len(late_s) == 20
    assert min(late_s) >= 0
    assert load.seconds >= 0.19


def test_times_are_reported_in_milliseconds() -> None:
    load = Load(seconds=2.0, latencies_s=[0.001, 0.002, 0.003], refused_s=[0.5])
    figures = report(load, late_s=[0.0005])
    assert (figures["accepted"], figures["p50_ms"], figures["p99_ms"]) == (3, 2.0, 3.0)
    assert (figures["refused_p99_ms"], figures["late_p99_ms"]) == (500.0, 0.5)


def test_a_load_without_an_answer_has_only_failures() -> None:
    load = Load(seconds=1.0)
    load.failed[CLOSED] = 5
    figures = report(load)
    assert (figures["accepted"], figures["p99_ms"], figures["failed"]) == (0, 0.0, {CLOSED: 5})
