"""Redis's clock is computed from the round trip of TIME. The machine's own clock does not matter."""

import time

import pytest

from shared.redis.clock import MAX_AGE_S, MAX_ROUND_TRIP_S, RedisClock
from tests.shared.redis.clocks import clock_at


@pytest.mark.parametrize("redis_s", [1_000_000.25, time.time() + 3600], ids=["long ago", "in an hour"])
def test_the_time_is_that_of_redis(redis_s: float) -> None:
    clock = clock_at(redis_s)
    assert redis_s <= clock.now_s() < redis_s + 5
    assert clock.now_ms() == pytest.approx(redis_s * 1e3, abs=5000)
    assert clock.now_us() == pytest.approx(redis_s * 1e6, abs=5e6)


def test_the_machines_clock_may_be_set_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_at(1_000_000)
    monkeypatch.setattr(time, "time", lambda: 5.0)
    assert clock.now_s() == pytest.approx(1_000_000, abs=5)


def test_the_first_answer_counts_however_slow_and_a_later_slow_one_only_when_the_last_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    clock = RedisClock()
    clock.measured((1000, 0), now_s - 4)
    assert clock.now_s() == 1002, "the answer took four seconds, and is of their middle"
    clock.measured((2000, 0), now_s - 2 * MAX_ROUND_TRIP_S)
    assert clock.now_s() == 1002
    clock.measured((3000, 0), now_s)
    assert clock.now_s() == 3000, "Redis may be another one after a failover"
    now_s += MAX_AGE_S
    clock.measured((4000, 0), now_s - 2)
    assert clock.now_s() == 4001
