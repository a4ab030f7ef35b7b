"""Writes the heartbeat of a worker, from which the API knows that the worker lives and what it does."""

import os
import time
from collections.abc import Sequence

import msgspec

from shared.contract.entry import FORMATS
from shared.contract.heartbeat import HEARTBEAT_CODEC, Heartbeat, LoaderState, Recent
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.redis.script import Script
from worker.reporting.metrics import Metrics, Totals

MIN_RATE_S = 0.5  # a rate over less time says little, and two heartbeats may follow each other at once
# The removal is the first write, because a Redis that is out of memory accepts it, and then the writes after it.
WRITE_HEARTBEAT = Script(
    "WRITE_HEARTBEAT",
    """
local workers, worker = unpack(KEYS)
local name, heartbeat, ttl_s, kept_ttl_s = unpack(ARGV)
local time = redis.call('TIME')
local now_s = time[1] + time[2] / 1e6
redis.call('ZREMRANGEBYSCORE', workers, 0, now_s - ttl_s)
redis.call('ZADD', workers, string.format('%.6f', now_s), name)
redis.call('EXPIRE', workers, kept_ttl_s)
redis.call('SET', worker, heartbeat, 'EX', ttl_s)
""",
)


class HeartbeatWriter:
    """Writes heartbeats. `metrics_at` is the address of the metrics, or empty."""

    def __init__(
        self, client: SyncClient, worker_name: str, ttl_s: int, metrics: Metrics, metrics_at: str, clock: RedisClock
    ) -> None:
        self._client = client
        self._name = worker_name
        self._ttl_s = ttl_s
        self._started_s = clock.now_s()
        self._metrics = metrics
        self._metrics_at = metrics_at
        self._written_s = time.monotonic()
        self._written = metrics.totals()
        self._recent = recent(self._written, self._written, MIN_RATE_S)

    def write(self, models: LoaderState, takeovers: int) -> None:
        """Write the heartbeat and keep this worker in the set of live workers."""
        call = WRITE_HEARTBEAT(
            workers=keys.WORKERS,
            worker=keys.worker(self._name),
            name=self._name,
            heartbeat=HEARTBEAT_CODEC.encode(self._heartbeat(models, takeovers)),
            ttl_s=self._ttl_s,
            kept_ttl_s=keys.OPEN_TTL_S,
        )
        self._client.eval(*call)

    def leave(self) -> None:
        """Remove this worker from the live workers, so that the API need not wait for its heartbeats to stop."""
        with self._client.pipeline() as pipeline:
            pipeline.delete(keys.worker(self._name))
            pipeline.zrem(keys.WORKERS, self._name)
            pipeline.execute()

    def _heartbeat(self, models: LoaderState, takeovers: int) -> Heartbeat:
        totals = self._metrics.totals()
        now_s = time.monotonic()
        if now_s - self._written_s >= MIN_RATE_S:
            self._recent = recent(self._written, totals, now_s - self._written_s)
            self._written_s, self._written = now_s, totals
        return Heartbeat(
            name=self._name,
            pid=os.getpid(),
            started_s=round(self._started_s, 3),
            recent_images_per_s=round(self._recent.images / self._recent.seconds, 1),
            recent=self._recent,
            batches=totals.batches,
            images=totals.images,
            failed=totals.failed,
            takeovers=takeovers,
            metrics=self._metrics_at,
            entry_formats=[*FORMATS],
            last_batch=totals.last_batch,
            **msgspec.structs.asdict(models),
        )


def recent(before: Totals, now: Totals, seconds: float) -> Recent:
    """Return the work between two totals."""
    return Recent(
        seconds=round(seconds, 3),
        batches=now.batches - before.batches,
        images=now.images - before.images,
        batch_images=_difference(before.batch_images, now.batch_images),
        model_s=_difference(before.model_s, now.model_s),
        queue_s={lane: _difference(before.queue_s[lane], counts) for lane, counts in now.queue_s.items()},
    )


def _difference(before: Sequence[int], now: Sequence[int]) -> list[int]:
    return [after - count for count, after in zip(before, now, strict=True)]
