"""Counting the requests that are in progress in this process, and refusing those beyond a limit."""

import asyncio
import random
from typing import NoReturn, Self

from api.http.responses import RETRY_AFTER_S
from shared.errors import QueueFull, Reason

# About the shortest `Retry-After`. The spread keeps refused clients from coming back all at the same moment.
DELAY_S = (0.5, 1.5)
MAX_DELAY_FACTOR = 3.0  # some HTTP clients time out after 5 s by default


class Capacity:
    """Counts requests. `with capacity:` counts one, also beyond the limit; `with capacity.slot():` refuses it then."""

    def __init__(self, limit: int, reason: Reason, detail: str) -> None:
        """`detail` is the message of a refusal. Its `{}` stands for the number of requests in progress."""
        self.in_progress = 0
        self._limit = limit
        self._reason = reason
        self._detail = detail
        self._delayed_refusals = 0

    @property
    def full(self) -> bool:
        return self.in_progress >= self._limit

    def __enter__(self) -> None:
        self.in_progress += 1

    def __exit__(self, *raised: object) -> None:
        self.in_progress -= 1

    def slot(self) -> Self:
        """Return the context manager that counts one request. Raises QueueFull at once if the limit is reached."""
        if self.full:
            raise QueueFull(self._detail.format(self.in_progress), RETRY_AFTER_S, self._reason)
        return self

    async def refuse_late(self, retry_after_s: int = RETRY_AFTER_S) -> NoReturn:
        """Raise QueueFull after a delay: clients that retry at once would slow down the requests in progress."""
        detail = self._detail.format(self.in_progress)
        self._delayed_refusals += 1
        try:
            await asyncio.sleep(refusal_delay_s(self._delayed_refusals / self._limit, random.random()))  # noqa: S311
        finally:
            self._delayed_refusals -= 1
        # Do not assign the error to a local variable: it would reference its own traceback and create a cycle.
        raise QueueFull(detail, retry_after_s, self._reason)


def refusal_delay_s(load: float, jitter: float) -> float:
    """Return the delay of a refusal. `load` is delayed refusals divided by the limit, `jitter` is from 0 to 1.

    The delay grows with the load, so that the rate of refusals stays the same however many clients retry.
    """
    min_s, max_s = DELAY_S
    return (min_s + (max_s - min_s) * jitter) * min(MAX_DELAY_FACTOR, max(1.0, load))


class EventStreams:
    """Limits the number of open event streams. `ending` tells all of them to end, when the server shuts down."""

    def __init__(self, max_streams: int) -> None:
        self.ending = False
        self.capacity = Capacity(max_streams, "watchers", "{} event streams are open in this process, the maximum")
