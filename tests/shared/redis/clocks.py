"""Clocks of Redis that a test sets."""

import time

from shared.redis.clock import RedisClock


def clock_at(now_s: float) -> RedisClock:
    """Return a clock at `now_s` that runs from there."""
    clock = RedisClock()
    clock.measured((int(now_s), round(now_s % 1 * 1e6)), time.monotonic())
    return clock
