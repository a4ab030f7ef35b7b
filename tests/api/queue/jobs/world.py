"""A `JobStore` and a `JobSweep` on a real Redis, with uploads made by hand and results of workers that do not exist."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import numpy as np

from api.http.responses import redis_unavailable
from api.metrics import Metrics
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer
from api.queue.jobs.store import JobStore
from api.queue.jobs.sweep import JobSweep
from api.queue.redis_wire import Wires
from api.queue.wakeups import Wakeups
from api.uploads.chunk import Chunk
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings, load_settings
from shared.contract.entry.codec import decode_entry
from shared.redis import keys
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import api_client
from shared.shapes import IMAGE_BYTES
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, Finisher
from worker.batching.intake import ensure_groups
from worker.delivery import Delivery
from worker.reporting.metrics import Metrics as WorkerMetrics

RESULT_TTL_S = 1000
CALLER = ApiKey("", "")
REQUEST = ClassifyRequest(model="cnn@1", caller=CALLER, lane="bulk")


class JobsWorld:
    """`redis` is a second client for the test, `api` the one that the store uses."""

    def __init__(self, redis: SyncClient, api: AsyncClient) -> None:
        self.redis = redis
        self.api = api
        settings = Settings(result_ttl_s=RESULT_TTL_S, bulk_entry_images=2)
        enqueuer = Enqueuer(api, cast(Wires, None), Metrics(), settings, redis_unavailable)
        self.store = JobStore(api, enqueuer, Wakeups(api), RedisClock(), settings)
        self.sweep = JobSweep(api, RedisClock(), settings)
        self.finisher = Finisher(
            DirectConnection(redis, FINISH, FINISH_SINGLES), "me", WorkerMetrics(), RedisClock(), settings
        )
        ensure_groups(redis, ["cnn"])

    def work(self) -> None:
        """Finish all queued entries of jobs, as a worker does."""
        for stream in keys.streams("cnn", "bulk"):
            command = ("XREADGROUP", "GROUP", keys.GROUP, "me", "STREAMS", stream, ">")
            for _, entries in self.redis.execute_command(*command):
                for entry_id, fields in entries:
                    delivery = Delivery(decode_entry(fields), stream, "bulk", entry_id)
                    delivery.predictions = np.arange(delivery.entry.count, dtype=np.uint16)
                    self.finisher.finish([delivery])

    def make_due(self, job_id: str) -> None:
        """Let the sweep check a job now: its upload seems to be silent."""
        self.redis.zadd(keys.OPEN_JOBS, {job_id: 1})


@asynccontextmanager
async def jobs_world(redis: SyncClient, url: str) -> AsyncIterator[JobsWorld]:
    api = api_client(load_settings({"REDIS_URL": url}))
    try:
        yield JobsWorld(redis, api)
    finally:
        await api.aclose()


def pixels(images: int) -> bytes:
    return bytes(images * IMAGE_BYTES)


async def upload(
    chunks: int, before: Callable[[int], Awaitable[None] | None] | None = None, bad: Sequence[int] = ()
) -> AsyncIterator[Chunk]:
    """Yield chunks of two images. `before` is called with the number of each, and once more at the end.

    A chunk whose number is in `bad` has an unreadable second image.
    """
    for number in range(chunks + 1):
        if before is not None and (waiting := before(number)) is not None:
            await waiting
        if number < chunks:
            broken = {1: "no image"} if number in bad else {}
            yield Chunk(pixels(2 - len(broken)), 2, [f"{number}a", f"{number}b"], broken)
