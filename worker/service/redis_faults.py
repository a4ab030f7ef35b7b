"""Errors of Redis that the threads of a worker meet, and the search for a command that Redis refuses."""

import logging
import time

from shared.redis.clients import SyncClient
from shared.redis.errors import meaning_of
from shared.redis.permissions import find_refusal, rehearsal
from shared.telemetry.seldom import SeldomLog
from worker.watchdog import Watchdog

REFUSED_S = 5.0  # how long a refused command counts, and the time between two rehearsals
REHEARSAL = rehearsal("worker")

logger = logging.getLogger(__name__)


class RedisFaults:
    """The last refusal of Redis. Any thread may report an error."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._seldom = SeldomLog(logger)
        self._refused_s = self._rehearsed_s = -REFUSED_S

    def answered(self) -> None:
        """Report that Redis has answered the keeper."""
        self._watchdog.redis_answered()

    def report(self, error: Exception) -> None:
        """Report an error that a waiting thread or the keeper met. The waiting thread tries again."""
        self._watchdog.redis_failed()
        if meaning_of(error) == "refuse":
            self._refused_s = time.monotonic()
        self._seldom.log(logging.WARNING, f"waiting for Redis: {error}")

    def rehearse(self, client: SyncClient) -> None:
        """Try each command that a worker needs, from time to time."""
        if time.monotonic() - self._rehearsed_s > REFUSED_S:
            self._rehearsed_s = time.monotonic()
            if refusal := find_refusal(client.eval(*REHEARSAL)):
                self.report(refusal)

    @property
    def refused(self) -> bool:
        """Return whether Redis has refused a command in the last REFUSED_S."""
        return time.monotonic() - self._refused_s <= REFUSED_S
