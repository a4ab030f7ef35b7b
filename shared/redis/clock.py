"""Redis's clock, which all processes share: times that cross machines are never those of a machine's own clock."""

import time
from dataclasses import dataclass

MAX_ROUND_TRIP_S = 0.1  # a slower answer says little about the time …
MAX_AGE_S = 10.0  # … but more than an older answer


@dataclass(slots=True)
class _Measured:
    """An offset between Redis's clock and `time.monotonic`, which nobody sets, with the time of its measurement."""

    offset_s: float
    at_s: float


class RedisClock:
    """Computes Redis's time from an offset to this process's monotonic clock.

    Until the first measurement the clock is the machine's own. Any thread may read it. One thread or task calls
    `measured` about every second, because Redis may be another one after a failover.
    """

    def __init__(self) -> None:
        self._last = _Measured(time.time() - time.monotonic(), -MAX_AGE_S)

    def now_s(self) -> float:
        """Return Redis's unix time in seconds."""
        return time.monotonic() + self._last.offset_s

    def now_ms(self) -> int:
        return int(self.now_s() * 1e3)

    def now_us(self) -> int:
        return int((time.monotonic() + self._last.offset_s) * 1e6)

    def measured(self, reply: tuple[int, int], sent_s: float) -> None:
        """Take the reply to TIME, which was sent at `sent_s` of `time.monotonic` and has arrived now."""
        arrived_s = time.monotonic()
        if arrived_s - sent_s > MAX_ROUND_TRIP_S and arrived_s - self._last.at_s < MAX_AGE_S:
            return
        redis_s = reply[0] + reply[1] / 1e6
        self._last = _Measured(redis_s - (sent_s + arrived_s) / 2, arrived_s)
