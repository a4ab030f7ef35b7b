"""The live workers, from their heartbeats, which the API reads once per second together with Redis's clock."""

import asyncio
import logging
import time
from collections.abc import Sequence

import msgspec

from api.periodic import repeat
from api.queue.enqueue import Enqueuer
from shared.contract.entry import FORMAT, FORMATS
from shared.contract.heartbeat import ENTRY_FORMATS_CODEC, LIVE_WORKER_CODEC, LiveWorker
from shared.errors import ContractError, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock

logger = logging.getLogger(__name__)

TICK_S = 1.0
SEARCH_S = 0.1  # the interval while no worker is known: requests are refused until the first heartbeat is read
LATE_SHARE = 0.35  # share of the time to live; a worker writes four heartbeats in that time, so it has missed one
BUSY_SHARE = 0.1  # workers above this share of their capacity are busy


def drain_rate(workers: Sequence[LiveWorker]) -> float:
    """Return the images/s of all workers: their recent throughput if they are busy, otherwise their capacity."""
    capacity = sum(max((model.images_per_s for model in worker.models.values()), default=0.0) for worker in workers)
    recent = float(sum(worker.recent_images_per_s for worker in workers))
    return recent if recent >= BUSY_SHARE * capacity else capacity


def lost_workers(before: Sequence[LiveWorker], now: Sequence[LiveWorker], since_s: float, ttl_s: float) -> int:
    """Return how many workers died since `before` was read `since_s` ago: they are silent or have restarted.

    Returns 0 if the last reading is too old to judge, for example because Redis was unreachable.
    """
    if since_s > ttl_s / 2:
        return 0
    started = {worker.name: worker.started_s for worker in now}
    return sum(
        worker.silent_s + since_s > ttl_s / 2
        if worker.name not in started
        else worker.started_s != started[worker.name]
        for worker in before
    )


class Workers:
    """The live workers. `watch` runs as a task, so that `require` needs no I/O."""

    def __init__(self, client: AsyncClient, enqueuer: Enqueuer, clock: RedisClock, ttl_s: int) -> None:
        self._client = client
        self._clock = clock
        self._enqueuer = enqueuer
        self._ttl_s = ttl_s
        self.formats: set[int] = set()  # formats that live workers read; another object only if they change
        self._some_read_only_1 = False
        self._ignored: set[str] = set()  # workers whose last heartbeat could not be read
        self._before: list[LiveWorker] = []  # the last reading of `watch`, at `_before_s`
        self._before_s = time.monotonic()
        self.lost = 0  # workers that died while `watch` ran

    def require(self, formats: Sequence[int] = FORMATS) -> None:
        """Raise Unavailable if no worker is alive, or none reads one of the possible `formats` of the entry."""
        if not self.formats:
            raise Unavailable(f"no worker has sent a heartbeat in the last {self._ttl_s} s", "workers")
        if self.formats.isdisjoint(formats):
            reads, written = (", ".join(map(str, sorted(some))) for some in (self.formats, formats))
            raise Unavailable(f"no worker reads entry format {written}: the live workers read {reads}", "workers")

    async def refresh(self) -> list[LiveWorker]:
        """Read Redis's clock and the last heartbeat of each live worker, and update the state that `require` uses.

        While a live worker reads only format 1, such as one of the previous release, entries are written in it.
        """
        workers = await self._read()
        self._enqueuer.entry_format = 1 if self._some_read_only_1 else FORMAT
        self._enqueuer.images_per_s = drain_rate(workers)
        return workers

    async def _read(self) -> list[LiveWorker]:
        sent_s = time.monotonic()
        self._clock.measured(await self._client.time(), sent_s)
        now_s = self._clock.now_s()
        alive = await self._client.zrangebyscore(keys.WORKERS, now_s - self._ttl_s, "+inf", withscores=True)
        if not alive:
            self.formats, self._some_read_only_1 = set(), False
            return []
        alive.sort()
        heartbeats = await self._client.mget([keys.worker(name.decode()) for name, _ in alive])
        workers, formats, ignored, some_read_only_1 = [], set[int](), set[str](), False
        for (name, written_s), heartbeat in zip(alive, heartbeats, strict=True):
            if heartbeat is None:
                continue
            try:
                reads = ENTRY_FORMATS_CODEC.decode(heartbeat).entry_formats
                formats.update(reads)
                some_read_only_1 |= FORMAT not in reads
                worker = LIVE_WORKER_CODEC.decode(heartbeat)
            except ContractError as error:
                ignored.add(name.decode())
                if name.decode() not in self._ignored:
                    logger.error("worker %s is not in the status: %s", name.decode(), error)
                continue
            silent_s = now_s - written_s
            late = silent_s > LATE_SHARE * self._ttl_s
            workers.append(msgspec.structs.replace(worker, silent_s=round(max(0.0, silent_s), 3), late=late))
        if formats != self.formats:
            self.formats = formats
        self._ignored, self._some_read_only_1 = ignored, some_read_only_1
        return workers

    async def watch(self) -> None:
        """Read the heartbeats forever. While Redis is unreachable, the last reading stays valid."""
        await repeat(self._count_lost, TICK_S, "workers cannot be read")

    async def _count_lost(self) -> None:
        workers = await self.refresh()
        now_s = time.monotonic()
        self.lost += lost_workers(self._before, workers, now_s - self._before_s, self._ttl_s)
        self._before, self._before_s = workers, now_s
        while not self.formats:
            await asyncio.sleep(SEARCH_S)
            await self.refresh()
