"""An open loop: requests at a fixed rate, whether the service keeps up or not."""

import asyncio
import itertools
import select
import selectors
import time
from collections import deque
from collections.abc import Sequence

from mnistified.http.load import NO_ANSWER, Connection, Connections, Load

DRAIN_S = 10.0  # after the last request was due


def schedule_s(rate_per_s: float, seconds: float) -> list[float]:
    """Return when each request is due: evenly, from 0 to the end."""
    return [index / rate_per_s for index in range(int(rate_per_s * seconds))]


def open_loop(
    url: str, requests: Sequence[bytes], connections: int, due_s: Sequence[float]
) -> tuple[Load, list[float]]:
    """Send each request when due, or once a connection is idle. Return the answers and how late each was sent."""
    load = Load()

    async def run() -> list[float]:
        loop = _OpenLoop(url, requests, due_s, load)
        await loop.run(connections)
        return loop.late_s

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(PreciseSelector())) as runner:
        return load, runner.run(run())


class PreciseSelector(selectors.EpollSelector):
    """Waits for epoll with select, which counts in microseconds; epoll itself counts in milliseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


class _OpenLoop:
    """Sends what is due on idle connections. Callbacks instead of tasks: they cost half of the time per request."""

    def __init__(self, url: str, requests: Sequence[bytes], due_s: Sequence[float], load: Load) -> None:
        self._requests = itertools.cycle(requests)
        self._due_s = deque(due_s)
        self._pool = Connections(url, load, self._take)
        self._idle: list[Connection] = []
        self._timer: asyncio.TimerHandle | None = None
        self._start_s = 0.0
        self._done = asyncio.Event()
        self.late_s: list[float] = []

    async def run(self, connections: int) -> None:
        self._idle = [await self._pool.open() for _ in range(connections)]
        self._start_s = time.perf_counter()
        give_up_s = self._due_s[-1] + DRAIN_S
        try:
            self._send_due()
            await asyncio.wait_for(self._done.wait(), give_up_s)
        except TimeoutError:
            self._pool.load.failed[NO_ANSWER] += self._pool.busy + len(self._due_s)
        finally:
            self._pool.load.seconds = time.perf_counter() - self._start_s
            self._pool.close()

    def _take(self, connection: Connection, _: float) -> None:
        self._idle.append(connection)
        if self._timer is None:
            self._send_due()

    def _send_due(self) -> None:
        self._timer = None
        while self._due_s and self._idle:
            due_s = self._start_s + self._due_s[0]
            early_s = due_s - time.perf_counter()
            if early_s > 0:
                self._timer = asyncio.get_running_loop().call_later(early_s, self._send_due)
                return
            connection = self._idle.pop()
            if connection in self._pool.all:  # the service may have closed it while it was idle
                self._due_s.popleft()
                self.late_s.append(-early_s)
                connection.send(next(self._requests), due_s)
        if not self._due_s and not self._pool.busy:
            self._done.set()
