"""The watchdog ends a worker that is stuck, so that its supervisor restarts it.

The watchdog's thread finds threads that are busy with one thing for too long. If even that thread does not run, because
an engine hangs while it holds the interpreter's lock, Python's fault handler ends the process: its timer needs no lock.
"""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

EXIT_BROKEN = 70
STDERR = 2  # the descriptor, because Celery replaces sys.stderr by a logger
CHECKS_PER_STALL = 4
LOCKED_STALLS = 2  # after this many stalls without a check, the interpreter's lock is stuck
MIN_REDIS_STALL_S = 15.0  # longer than a pull blocks and a socket times out


class Pulse:
    """The time since which one thread is busy: in a `with` of the pulse. The watchdog reads it."""

    def __init__(self, name: str, clock_s: Callable[[], float]) -> None:
        self.name = name
        self._clock_s = clock_s
        self.since_s: float | None = None

    def beat(self) -> None:
        """Count from now on: the thread is busy, and not stuck."""
        self.since_s = self._clock_s()

    def rest(self) -> None:
        """The thread waits for something else until the next `beat`."""
        self.since_s = None

    def __enter__(self) -> None:
        self.since_s = self._clock_s()

    def __exit__(self, *_: object) -> None:
        self.since_s = None


class Watchdog:
    """Finds stuck threads. Call `run` in its own thread.

    Call `redis_answered` after every successful Redis command, and `redis_failed` after every other.
    """

    def __init__(self, stall_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._stall_s = stall_s
        self._redis_stall_s = max(stall_s, MIN_REDIS_STALL_S)
        self._clock_s = clock_s
        self._in_model: list[Pulse] = []
        self._in_redis: list[Pulse] = []
        self._redis_answered_s = 0.0
        self._redis_answers_since_s: float | None = None

    def model_pulse(self, name: str) -> Pulse:
        """Return the pulse of a thread for the time in which it runs a model."""
        pulse = Pulse(name, self._clock_s)
        self._in_model.append(pulse)
        return pulse

    def redis_pulse(self, name: str) -> Pulse:
        """Return the pulse of a thread for waits on Redis. It is stuck only if Redis answers other threads."""
        pulse = Pulse(name, self._clock_s)
        self._in_redis.append(pulse)
        return pulse

    def redis_answered(self) -> None:
        self._redis_answered_s = self._clock_s()
        if self._redis_answers_since_s is None:
            self._redis_answers_since_s = self._redis_answered_s

    def redis_failed(self) -> None:
        self._redis_answers_since_s = None

    def stuck(self) -> str:
        """Return which thread is stuck, and for how long. Empty if none is."""
        now_s = self._clock_s()
        for pulse in self._in_model:
            since_s = pulse.since_s  # read once, because its thread may change it
            if since_s is not None and now_s - since_s > self._stall_s:
                return f"{pulse.name} has run one batch for {now_s - since_s:.1f} s"
        answers_since_s = self._redis_answers_since_s
        for pulse in self._in_redis:
            since_s = pulse.since_s
            if since_s is None or answers_since_s is None:
                continue
            # A thread is not stuck if Redis fails again and again, because its attempts may meet only the failures.
            if self._redis_answered_s - max(since_s, answers_since_s) > self._redis_stall_s:
                return f"{pulse.name} has waited for {now_s - since_s:.1f} s for Redis, which answers others"
        return ""

    def run(self, stopping: threading.Event) -> None:
        """Check until `stopping` is set. Ends the process if a thread is stuck."""
        while True:
            faulthandler.dump_traceback_later(LOCKED_STALLS * self._stall_s, exit=True, file=STDERR)
            if stopping.wait(self._stall_s / CHECKS_PER_STALL):
                faulthandler.cancel_dump_traceback_later()
                return
            if stuck := self.stuck():
                logger.critical("%s: this worker exits; its entries will be taken over", stuck)
                faulthandler.dump_traceback(file=STDERR)
                os._exit(EXIT_BROKEN)
