"""Jobs in Redis: begun, filled chunk by chunk, completed, waited for, read, cancelled."""

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
from shared.redis.connection import Client
from shared.redis.script import Script
from shared.telemetry.job_log import log_accepted, log_finished, log_given_up

END_JOB = Script.read(Path(__file__).with_name("end_job.lua"))
JOB_ID = re.compile(rf"j[0-9a-f]{{{UID_CHARS}}}")
CHUNKS_PER_READ = 16
ROOM_POLL_S = 0.05  # how often an upload that waits for room asks again; its client feels TCP's own back-pressure
ABANDONED_TTL_S = 60
EXPIRE_EVERY_S = 0.25
JOBS_PER_SWEEP = 100
ENDED = 2  # what end_job.lua returns to whoever has brought a job to its end


def new_job_id() -> str:
    return f"j{new_uid()}"


class JobStore:
    """Every method raises redis' errors while Redis is away."""

    def __init__(self, client: Client, enqueuer: Enqueuer, wakeups: Wakeups, settings: Settings) -> None:
        self._client = client
        self._enqueuer = enqueuer
        self._wakeups = wakeups
        self._settings = settings

    async def submit(self, chunks: AsyncIterator[Chunk], asked: ClassifyRequest, claim: Claim | None = None) -> Job:
        """Store a whole upload as a job and return it: from then on nothing of it gets lost.

        Whatever `chunks` raises, and QueueFull and Unavailable, ends the job that had begun: nobody knows its id.
        """
        job_id = claim.job_id if claim else new_job_id()
        started_s = time.monotonic()
        total = number = 0
        try:
            shard = await self._begin(job_id, asked)
            async for chunk in chunks:
                await self._put(job_id, asked, shard, number, chunk)
                number += 1
                total += chunk.count
            ended = await self._end(job_id, "complete", total, claim)
        except BaseException as error:
            log_given_up(job_id, asked.origin.request_id, total, repr(error))
            await asyncio.shield(self._abandon(job_id, claim))
            raise
        took_s = time.monotonic() - started_s
        log_accepted(job_id, asked.origin.request_id, asked.model, total, took_s, asked.caller.name)
        return await self._read_and_log(job_id, ended)

    async def read(self, job_id: str, caller: ApiKey) -> Job:
        """Raises NotFound for an id that was never given out, or to another key, or whose time to live is over."""
        job = await self._read(job_id)
        if job.client != caller.name:
            raise self._no_result(job_id)
        return job

    async def wait(self, job_id: str, caller: ApiKey, wait_s: float) -> Job:
        """The job once it is final, or as it is after `wait_s`."""
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
        """Queued images are free at once, finished ones keep their results; a final job stays as it is.

        An admin's key may cancel what others have made.
        """
        if caller.admin:
            await self._read(job_id)
        else:
            await self.read(job_id, caller)
        return await self._read_and_log(job_id, await self._end(job_id, "cancel", ""))

    async def expire_due(self) -> None:
        """End the jobs whose deadline has passed, whoever accepted them."""
        now_ms = int(time.time() * 1e3)
        for job_id in await self._client.zrangebyscore(keys.DEADLINES, 0, now_ms, start=0, num=JOBS_PER_SWEEP):
            if await self._end(job_id.decode(), "expire", ""):
                await self._read_and_log(job_id.decode(), True)

    async def expire_forever(self) -> None:
        """Keep the deadlines of jobs forever, also of those that no worker takes."""
        await repeat(self.expire_due, EXPIRE_EVERY_S, "deadlines cannot be kept")

    async def items(self, job: Job, offset: int, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Items `offset` to `offset + limit` in input order, read a few chunks at a time."""
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
        """`ended`: it has just come to its end, by us."""
        job = await self._read(job_id)
        if ended and job.finished_ms is not None:
            counts = msgspec.structs.asdict(job.counts)
            log_finished(job_id, job.request_id, counts, (job.finished_ms - job.created_ms) / 1e3)
        return job

    def _no_result(self, job_id: str) -> NotFound:
        return NotFound(f"no result {job_id!r}; results are kept for {self._settings.result_ttl_s} s")

    async def _begin(self, job_id: str, asked: ClassifyRequest) -> int:
        """Make the job; the shard that its entries go to."""
        now_ms = int(time.time() * 1e3)
        job = Job(
            id=job_id,
            model=asked.model,
            lane=asked.lane,
            client=asked.caller.name,
            request_id=asked.origin.request_id,
            created_ms=now_ms,
            chunk_images=self._settings.bulk_entry_images,
            deadline_ms=None if asked.timeout_s is None else now_ms + round(asked.timeout_s * 1e3),
            callback_url=asked.callback_url,
        )
        async with self._client.pipeline() as pipeline:
            pipeline.hset(keys.job(job_id), mapping=JOB_CODEC.encode(job))
            pipeline.expire(keys.job(job_id), self._settings.result_ttl_s)
            await pipeline.execute()
        return await self._enqueuer.choose_shard(asked.model, asked.lane, asked.caller.name)

    async def _put(self, job_id: str, asked: ClassifyRequest, shard: int, number: int, chunk: Chunk) -> None:
        """The first chunk is refused at once when the lane is full; later ones wait, and the upload with them."""
        accepted_us = time.time_ns() // 1000
        entry = Entry(
            job_id,
            asked.model,
            chunk.pixels,
            accepted_us,
            chunk=number,
            client=asked.caller.name,
            verbose=asked.verbose,
            origins={0: asked.origin},
        )
        deadline_s = time.monotonic() + (self._settings.upload_stall_s if number else 0)
        while True:
            try:
                await self._enqueuer.put_chunk(
                    entry, asked.lane, shard, Manifest(chunk.names, list(chunk.errors.items()))
                )
                return
            except QueueFull:
                if time.monotonic() >= deadline_s:
                    raise
            await asyncio.sleep(ROOM_POLL_S)

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
        await self._client.hdel(keys.job(job_id), "callback_url")  # a job that nobody knows calls nobody back
        await self._end(job_id, "cancel", "")
        for key in (keys.job(job_id), keys.job_blocks(job_id), keys.job_manifests(job_id)):
            await self._client.expire(key, ABANDONED_TTL_S)
