"""The open loop's schedule, and what the load client makes of its times."""

import pytest

from benchmarks.load.client import Timings, schedule_s, tell


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
