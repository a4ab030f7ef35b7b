"""The jobs in Redis, and the operations on them."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from api.http.uid import UID_CHARS, new_uid
from api.periodic import repeat
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer
from api.queue.idempotency import Claim
from api.queue.job_view import chunk_items
from api.queue.wakeups import Wakeups
from api.uploads.chunk import Chunk
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings
from shared.contract.entry import Entry
from shared.contract.job import JOB_CODEC, Job, Manifest
from shared.errors import NotFound, QueueFull
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.script import Script
from shared.telemetry.job_log import log_accepted, log_finished, log_given_up

END_JOB = Script.read(Path(__file__).with_name("end_job.lua"))
JOB_ID = re.compile(rf"j[0-9a-f]{{{UID_CHARS}}}")
CHUNKS_PER_READ = 16
FULL_QUEUE_POLL_S = 0.05  # between attempts of an upload while the queue is full; TCP slows its client down
ABANDONED_TTL_S = 60
EXPIRY_INTERVAL_S = 0.25
JOBS_PER_SWEEP = 100
ENDED = 2  # returned by end_job.lua to the call that makes a job final


def new_job_id() -> str:
    return f"j{new_uid()}"


class JobStore:
    """Creates, reads and ends jobs. Every method raises RedisError while Redis is unreachable."""

    def __init__(self, client: AsyncClient, enqueuer: Enqueuer, wakeups: Wakeups, settings: Settings) -> None:
        self._client = client
        self._enqueuer = enqueuer
        self._wakeups = wakeups
        self._settings = settings

    async def submit(self, chunks: AsyncIterator[Chunk], request: ClassifyRequest, claim: Claim | None = None) -> Job:
        """Store an upload as a job. QueueFull, Unavailable and the errors of `chunks` cancel it and are raised."""
        job_id = claim.job_id if claim else new_job_id()
        started_s = time.monotonic()
        total = number = 0
        try:
            shard = await self._begin(job_id, request)
            async for chunk in chunks:
                await self._put(job_id, request, shard, number, chunk)
                number += 1
                total += chunk.count
            ended = await self._end(job_id, "complete", total, claim)
        except BaseException as error:
            log_given_up(job_id, request.origin.request_id, total, repr(error))
            await asyncio.shield(self._abandon(job_id, claim))
            raise
        took_s = time.monotonic() - started_s
        log_accepted(job_id, request.origin.request_id, request.model, total, took_s, request.caller.name)
        return await self._read_and_log(job_id, ended)

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
        return await self._read_and_log(job_id, await self._end(job_id, "cancel", ""))

    async def expire_due(self) -> None:
        """End the jobs whose deadline has passed, including those that other API processes accepted."""
        now_ms = int(time.time() * 1e3)
        for job_id in await self._client.zrangebyscore(keys.DEADLINES, 0, now_ms, start=0, num=JOBS_PER_SWEEP):
            if await self._end(job_id.decode(), "expire", ""):
                await self._read_and_log(job_id.decode(), True)

    async def expire_forever(self) -> None:
        """Expire jobs at their deadlines, forever, even if no worker is alive."""
        await repeat(self.expire_due, EXPIRY_INTERVAL_S, "deadlines cannot be kept")

    async def items(self, job: Job, offset: int, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Yield the items `offset` to `offset + limit` in input order. Reads a few chunks at a time."""
        stop = min(offset + limit, job.total or 0)
        size = job.chunk_images
        last_chunk = -(-stop // size)
        for first in range(offset // size, last_chunk, CHUNKS_PER_READ):
            numbers = [str(number) for number in range(first, min(first + CHUNKS_PER_READ, last_chunk))]
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.job_blocks(job.id), numbers)
                pipeline.hmget(keys.job_manifests(job.id), numbers)
                blocks, manifests = await pipeline.execute()
            for number, block, manifest in zip(numbers, blocks, manifests, strict=True):
                for item in chunk_items(job, int(number), block, manifest):
                    if offset <= item["index"] < stop:
                        yield item

    async def _read(self, job_id: str) -> Job:
        fields = await self._client.hgetall(keys.job(job_id)) if JOB_ID.fullmatch(job_id) else {}
        if b"model" not in fields:
            raise self._no_result(job_id)
        return JOB_CODEC.decode(job_id, fields)

    async def _read_and_log(self, job_id: str, ended: bool) -> Job:
        """Return the job, and log its end if `ended`, i.e. if this process made it final."""
        job = await self._read(job_id)
        if ended and job.finished_ms is not None:
            counts = msgspec.structs.asdict(job.counts)
            log_finished(job_id, job.request_id, counts, (job.finished_ms - job.created_ms) / 1e3)
        return job

    def _no_result(self, job_id: str) -> NotFound:
        return NotFound(f"no result {job_id!r}; results are kept for {self._settings.result_ttl_s} s")

    async def _begin(self, job_id: str, request: ClassifyRequest) -> int:
        """Create the job and return the shard for its entries."""
        now_ms = int(time.time() * 1e3)
        job = Job(
            id=job_id,
            model=request.model,
            lane=request.lane,
            client=request.caller.name,
            request_id=request.origin.request_id,
            created_ms=now_ms,
            chunk_images=self._settings.bulk_entry_images,
            deadline_ms=None if request.timeout_s is None else now_ms + round(request.timeout_s * 1e3),
            callback_url=request.callback_url,
        )
        async with self._client.pipeline() as pipeline:
            pipeline.hset(keys.job(job_id), mapping=JOB_CODEC.encode(job))
            pipeline.expire(keys.job(job_id), self._settings.result_ttl_s)
            await pipeline.execute()
        return await self._enqueuer.choose_shard(request.model, request.lane, request.caller.name)

    async def _put(self, job_id: str, request: ClassifyRequest, shard: int, number: int, chunk: Chunk) -> None:
        """Write a chunk. Raises QueueFull at once for the first chunk, and after `upload_stall_s` for later chunks."""
        accepted_us = time.time_ns() // 1000
        entry = Entry(
            job_id,
            request.model,
            chunk.pixels,
            accepted_us,
            chunk=number,
            client=request.caller.name,
            verbose=request.verbose,
            origins={0: request.origin},
        )
        deadline_s = time.monotonic() + (self._settings.upload_stall_s if number else 0)
        while True:
            try:
                await self._enqueuer.put_chunk(
                    entry, request.lane, shard, Manifest(chunk.names, list(chunk.errors.items()))
                )
                return
            except QueueFull:
                if time.monotonic() >= deadline_s:
                    raise
            await asyncio.sleep(FULL_QUEUE_POLL_S)

    async def _end(self, job_id: str, action: str, total: int | str, claim: Claim | None = None) -> bool:
        """Return whether this call has made the job final."""
        call = END_JOB(
            job=keys.job(job_id),
            deadlines=keys.DEADLINES,
            claim=claim.redis_key if claim else "",
            callbacks=keys.CALLBACKS,
            action=action,
            uploaded_images=total,
            now_ms=int(time.time() * 1e3),
            jobs_channel=keys.JOBS_CHANNEL,
            id=job_id,
            fingerprint=claim.fingerprint if claim else "",
        )
        return bool(await self._client.eval(*call) == ENDED)

    async def _abandon(self, job_id: str, claim: Claim | None) -> None:
        if claim:
            await self._client.delete(claim.redis_key)
        await self._client.hdel(keys.job(job_id), "callback_url")  # an abandoned job must not send its callback
        await self._end(job_id, "cancel", "")
        for key in (keys.job(job_id), keys.job_blocks(job_id), keys.job_manifests(job_id)):
            await self._client.expire(key, ABANDONED_TTL_S)
