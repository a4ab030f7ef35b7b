"""A worker that does no work although it could must not sit there looking alive: it ends, and is started anew.

A thread that is busy with one thing for too long is found by the watchdog's own thread. When even that one does not
run, because the engine hangs with the interpreter's lock in hand, Python's fault handler ends the process: its timer
needs no lock.
"""

import contextlib
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

EXIT_BROKEN = 70
STDERR = 2  # the descriptor: Celery puts a logger in the place of sys.stderr
CHECKS_PER_STALL = 4
LOCKED_STALLS = 2  # so many stalls without a turn of the watchdog, and the interpreter's lock is stuck
MIN_REDIS_STALL_S = 15.0  # longer than a pull blocks and a socket times out


class Pulse:
    """What one thread is busy with, and since when. Of one thread; read by the watchdog's."""

    def __init__(self, name: str, clock_s: Callable[[], float]) -> None:
        self.name = name
        self._clock_s = clock_s
        self.since_s: float | None = None

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        self.since_s = self._clock_s()
        try:
            yield
        finally:
            self.since_s = None


class Watchdog:
    """`run` is a thread's; `redis_answered` is told by one that asks Redis often."""

    def __init__(self, stall_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stall_s = stall_s
        self._redis_stall_s = max(stall_s, MIN_REDIS_STALL_S)
        self._clock_s = clock_s
        self._in_model: list[Pulse] = []
        self._in_redis: list[Pulse] = []
        self._redis_answered_s = -float("inf")

    def model_pulse(self, name: str) -> Pulse:
        """Of a thread while it runs a model."""
        pulse = Pulse(name, self._clock_s)
        self._in_model.append(pulse)
        return pulse

    def redis_pulse(self, name: str) -> Pulse:
        """Of a thread while it waits for Redis: stuck only when Redis answers others meanwhile."""
        pulse = Pulse(name, self._clock_s)
        self._in_redis.append(pulse)
        return pulse

    def redis_answered(self) -> None:
        self._redis_answered_s = self._clock_s()

    def stuck(self) -> str:
        """The thread that is stuck, and for how long; empty when none is."""
        now_s = self._clock_s()
        for pulse in self._in_model:
            since_s = pulse.since_s  # read once: its thread may end what it does
            if since_s is not None and now_s - since_s > self._stall_s:
                return f"{pulse.name} has run one batch for {now_s - since_s:.1f} s"
        for pulse in self._in_redis:
            since_s = pulse.since_s
            if since_s is not None and self._redis_answered_s - since_s > self._redis_stall_s:
                return f"{pulse.name} has waited for {now_s - since_s:.1f} s for Redis, which answers others"
        return ""

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping` is set; ends the process when a thread is stuck."""
        while True:
            faulthandler.dump_traceback_later(LOCKED_STALLS * self._stall_s, exit=True, file=STDERR)
            if stopping.wait(self._stall_s / CHECKS_PER_STALL):
                faulthandler.cancel_dump_traceback_later()
                return
            if stuck := self.stuck():
                logger.critical("%s: this worker ends, its entries will be taken over", stuck)
                faulthandler.dump_traceback(file=STDERR)
                os._exit(EXIT_BROKEN)
