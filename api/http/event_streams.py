"""How many follow results, as streams of events, in one process."""

import contextlib
from collections.abc import Iterator

from api.http.responses import RETRY_AFTER_S
from shared.errors import QueueFull


class Watchers:
    """How many streams this process holds open, and the sign for all of them to end, which it will not be asked for."""

    def __init__(self, most: int) -> None:
        self.ending = False
        self._most = most
        self._now = 0

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Around the whole of a stream. Raises QueueFull."""
        if self._now >= self._most:
            raise QueueFull(f"{self._now} streams of events are open here, as many as may", RETRY_AFTER_S, "watchers")
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1
