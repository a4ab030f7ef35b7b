"""The jobs in Redis, and the operations on them."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from redis.exceptions import RedisError

from api.http.uid import UID_CHARS, new_uid
from api.images.bulk_threads import in_bulk_thread
from api.queue.answers.job_view import chunk_items, manifest_of
from api.queue.answers.replies import Item
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer, lost_upload
from api.queue.jobs.idempotency import Claim
from api.queue.jobs.life import CHECK_INTERVAL_MS, ENDED, end_job, log_end
from api.queue.jobs.upload import JobUpload
from api.queue.wakeups import Wakeups
from api.uploads.chunk import Chunk
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings
from shared.contract.job import JOB_CODEC, Job
from shared.errors import NotFound
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock

JOB_ID = re.compile(rf"j[0-9a-f]{{{UID_CHARS}}}")
CHUNKS_PER_READ = 16
MAX_TURN_S = 0.01  # after which items let other requests run
logger = logging.getLogger(__name__)


def new_job_id() -> str:
    return f"j{new_uid()}"


class JobStore:
    """Creates, reads and ends jobs. Every method raises RedisError while Redis is unreachable."""

    def __init__(
        self, client: AsyncClient, enqueuer: Enqueuer, wakeups: Wakeups, clock: RedisClock, settings: Settings
    ) -> None:
        self._client = client
        self._clock = clock
        self._enqueuer = enqueuer
        self._wakeups = wakeups
        self._settings = settings

    async def submit(self, chunks: AsyncIterator[Chunk], asked: ClassifyRequest, claim: Claim | None = None) -> Job:
        """Store an upload as a job. QueueFull, Unavailable and the errors of `chunks` cancel it and are raised.

        Raises Unavailable, too, if Redis has lost a part of the upload, and StillUploading if it has lost the claim and
        another upload has it.
        """
        job_id = claim.job_id if claim else new_job_id()
        upload = JobUpload(job_id, asked, claim, self._client, self._enqueuer, self._clock, self._settings)
        ended = await upload.store(chunks)
        try:
            return await self._read_and_log(job_id, ended)
        except NotFound:  # Redis has lost it since
            raise lost_upload() from None

    async def read(self, job_id: str, caller: ApiKey) -> Job:
        """Return a job. Raises NotFound if it does not exist, has expired from Redis, or belongs to another API key."""
        job = await self._read(job_id)
        if job.client != caller.name:
            raise self._no_result(job_id)
        return job

    async def wait(self, job_id: str, caller: ApiKey, wait_s: float) -> Job:
        """Return the job once it is final, or after `wait_s`."""
        with self._wakeups.job_end(job_id) as ended:
            deadline_s = time.monotonic() + wait_s
            while True:
                ended.clear()
                job = await self.read(job_id, caller)
                left_s = deadline_s - time.monotonic()
                if job.finished_ms is not None or left_s <= 0:
                    return job
                try:
                    await asyncio.wait_for(ended.wait(), left_s)
                except TimeoutError:
                    return await self.read(job_id, caller)

    async def cancel(self, job_id: str, caller: ApiKey) -> Job:
        """Cancel a job, unless it is final, and return it. The key of an admin may cancel the jobs of other keys."""
        if caller.admin:
            await self._read(job_id)
        else:
            await self.read(job_id, caller)
        reply = await end_job(self._client, job_id, "cancel", self._settings.result_ttl_s)
        return await self._read_and_log(job_id, reply == ENDED)

    async def items(
        self, job: Job, offset: int, limit: int, labels: Sequence[str] | None = None
    ) -> AsyncIterator[Item]:
        """Yield the items `offset` to `offset + limit` in input order, with names of `labels` if they are given.

        Reads a few chunks at a time. Raises NotFound if the job's time to live ends meanwhile.
        """
        stop = min(offset + limit, job.total or 0)
        wanted = range(offset, stop)
        size = job.chunk_images
        last_chunk = -(-stop // size)
        for first in range(offset // size, last_chunk, CHUNKS_PER_READ):
            numbers = [str(number) for number in range(first, min(first + CHUNKS_PER_READ, last_chunk))]
            async with self._client.pipeline() as pipeline:
                pipeline.exists(keys.job(job.id))
                pipeline.hmget(keys.job_blocks(job.id), numbers)
                pipeline.hmget(keys.job_manifests(job.id), numbers)
                exists, blocks, manifests = await pipeline.execute()
            if not exists:
                raise self._no_result(job.id)
            for number, block, data in zip(numbers, blocks, manifests, strict=True):
                manifest = manifest_of(data)
                found = chunk_items(job, int(number), block, manifest, labels, wanted)
                async for item in _in_thread(found) if manifest.numbers else _in_turns(found):
                    yield item

    async def _read(self, job_id: str) -> Job:
        if not JOB_ID.fullmatch(job_id):
            raise self._no_result(job_id)
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.job(job_id))
            pipeline.zscore(keys.OPEN_JOBS, job_id)
            fields, due_ms = await pipeline.execute()
        if b"model" not in fields:
            raise self._no_result(job_id)
        job = JOB_CODEC.decode(job_id, fields)
        if job.finished_ms is None and due_ms is None:
            await self._check_again(job_id)
        return job

    async def _check_again(self, job_id: str) -> None:
        """Have the job checked like every open job. Redis has lost its record of open jobs, for example by eviction."""
        async with self._client.pipeline() as pipeline:
            pipeline.zadd(keys.OPEN_JOBS, {job_id: self._clock.now_ms() + CHECK_INTERVAL_MS}, nx=True)
            pipeline.expire(keys.OPEN_JOBS, keys.OPEN_TTL_S)
            try:
                await pipeline.execute()
            except RedisError as error:  # the job can be read nevertheless
                logger.warning("the job %s is not checked: %s", job_id, error)

    async def _read_and_log(self, job_id: str, ended: bool) -> Job:
        """Return the job, and log its end if `ended`, i.e. if this process made it final."""
        job = await self._read(job_id)
        if ended:
            log_end(job)
        return job

    def _no_result(self, job_id: str) -> NotFound:
        is_single = "-" in job_id
        kept_s = self._settings.single_result_ttl_s if is_single else self._settings.result_ttl_s
        return NotFound(f"no result {job_id!r}; results are kept for {kept_s} s")


async def _in_turns(items: Iterator[Item]) -> AsyncIterator[Item]:
    """Yield items, and let other requests run after each MAX_TURN_S and at the end."""
    resumed_s = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - resumed_s > MAX_TURN_S:
            await asyncio.sleep(0)
            resumed_s = time.perf_counter()
    await asyncio.sleep(0)


async def _in_thread(items: Iterator[Item]) -> AsyncIterator[Item]:
    """Yield items that are computed in a thread, one after the other."""
    while (item := await in_bulk_thread(next, items, None)) is not None:
        yield item
