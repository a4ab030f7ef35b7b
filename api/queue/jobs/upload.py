"""Storing an upload as a job: it begins, its chunks are written to the queue as they arrive, and it is completed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from redis.exceptions import RedisError

from api.queue.classify_request import NUMBERS_PER_CHUNK, ClassifyRequest
from api.queue.enqueue import Enqueuer, lost_upload
from api.queue.jobs.idempotency import PENDING_TTL_S, Claim
from api.queue.jobs.life import ABANDONED_TTL_S, ENDED, GONE, LOST, TAKEN, end_job, kept_open, renewal
from api.uploads.chunk import Chunk, read_ahead
from shared.config.settings import Settings
from shared.contract.entry import Entry, images_per_entry
from shared.contract.job import JOB_CODEC, Job, Manifest
from shared.errors import QueueFull, StillUploading
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock
from shared.telemetry.job_log import log_accepted, log_given_up

CANCEL_RETRY_S = 1.0
FULL_QUEUE_POLL_S = 0.05  # between attempts of an upload while the queue is full; TCP slows its client down
_cancelling: set[asyncio.Task[None]] = set()
logger = logging.getLogger(__name__)


class JobUpload:
    """An upload that becomes a job. `claim` is the one of its Idempotency-Key."""

    def __init__(
        self,
        job_id: str,
        asked: ClassifyRequest,
        claim: Claim | None,
        client: AsyncClient,
        enqueuer: Enqueuer,
        clock: RedisClock,
        settings: Settings,
    ) -> None:
        self._job_id = job_id
        self._asked = asked
        self._claim = claim
        self._client = client
        self._enqueuer = enqueuer
        self._clock = clock
        self._settings = settings
        self._images = 0  # in the chunks that are stored

    async def store(self, chunks: AsyncIterator[Chunk]) -> bool:
        """Store the chunks, and return whether the job is final already. Every error cancels the job and is raised."""
        started_s = time.monotonic()
        number = 0
        try:
            shard = await self._begin()
            async with kept_open(self._client, self._job_id, self._claim), aclosing(read_ahead(chunks)) as ahead:
                async for chunk in ahead:
                    await self._put(chunk, number, shard)
                    number += 1
            ended = await self._complete()
        except BaseException as error:
            log_given_up(self._job_id, self._asked.origin.request_id, self._images, repr(error))
            await asyncio.shield(self._abandon(error))
            raise
        took_s = time.monotonic() - started_s
        asked = self._asked
        log_accepted(self._job_id, asked.origin.request_id, asked.model, self._images, took_s, asked.caller.name)
        return ended

    async def _begin(self) -> int:
        """Create the job and return the shard for its entries."""
        asked, claim = self._asked, self._claim
        now_ms = self._clock.now_ms()
        job = Job(
            id=self._job_id,
            model=asked.model,
            lane=asked.lane,
            client=asked.caller.name,
            request_id=asked.origin.request_id,
            created_ms=now_ms,
            chunk_images=NUMBERS_PER_CHUNK
            if asked.fit == "number"
            else images_per_entry(asked.spec.image_bytes, self._settings.bulk_entry_images),
            top=asked.top,
            among=",".join(asked.roster.strings) if asked.roster else None,
            accept=asked.accept if asked.fit == "number" else None,
            accepted=0,
            claim=claim.redis_key if claim else None,
            deadline_ms=None if asked.timeout_s is None else now_ms + round(asked.timeout_s * 1e3),
            callback_url=asked.callback_url,
        )
        async with self._client.pipeline() as pipeline:
            pipeline.hset(keys.job(self._job_id), mapping=JOB_CODEC.encode(job))
            pipeline.expire(keys.job(self._job_id), keys.OPEN_TTL_S)
            pipeline.eval(*renewal(self._job_id, claim))
            await pipeline.execute()
        return await self._enqueuer.choose_shard(asked.model, asked.lane, asked.caller.name)

    async def _put(self, chunk: Chunk, number: int, shard: int) -> None:
        """Write a chunk. Raises QueueFull at once for the first chunk, and after `upload_stall_s` for later chunks.

        Raises Unavailable if Redis has lost an earlier chunk.
        """
        asked = self._asked
        entry = Entry(
            self._job_id,
            asked.model,
            chunk.pixels,
            self._clock.now_us(),
            chunk=number,
            client=asked.caller.name,
            verbose=asked.verbose,
            origins={0: asked.origin},
            shape=asked.spec.shape,
            top=asked.top or 0,
            accept=None if asked.fit == "number" else asked.accept,  # it is for the number, not for its windows
            items=tuple(line.windows for line in chunk.numbers),
            format=asked.entry_format,
        )
        manifest = Manifest(chunk.names, list(chunk.errors.items()), chunk.numbers)
        deadline_s = time.monotonic() + (self._settings.upload_stall_s if number else 0)
        while True:
            try:
                await self._enqueuer.put_chunk(entry, asked.lane, shard, manifest, self._images)
                break
            except QueueFull:
                if time.monotonic() >= deadline_s:
                    raise
            await asyncio.sleep(FULL_QUEUE_POLL_S)
        self._images += chunk.count

    async def _complete(self) -> bool:
        """Complete the upload and return whether that has made the job final."""
        claim = self._claim
        reply = await end_job(
            self._client,
            self._job_id,
            "complete",
            self._settings.result_ttl_s,
            uploaded_images=self._images,
            claim=claim.redis_key if claim else "",
            fingerprint=claim.fingerprint if claim else "",
        )
        if reply in (GONE, LOST):
            raise lost_upload()
        if reply == TAKEN:
            raise StillUploading("another upload has taken this Idempotency-Key while Redis was unreachable")
        return reply == ENDED

    async def _abandon(self, cause: BaseException) -> None:
        """Cancel the job, and release the claim of its upload, so that the client can repeat it with the same key.

        While Redis refuses, this is tried again in the background, and `sweep.py` does it if this process ends. Raises
        RedisError if the cause was one, too, because the later error explains the state of Redis better.
        """
        try:
            await self._cancel()
        except RedisError as error:
            trying = asyncio.create_task(self._cancel_later())
            _cancelling.add(trying)  # the event loop itself keeps only a weak reference
            trying.add_done_callback(_cancelling.discard)
            if isinstance(cause, RedisError):
                raise
            logger.warning("the job %s cannot be cancelled: %s", self._job_id, error)

    async def _cancel(self) -> None:
        claim_key = self._claim.redis_key if self._claim else ""
        await end_job(self._client, self._job_id, "abandon", ABANDONED_TTL_S, claim=claim_key)

    async def _cancel_later(self) -> None:
        """Try to cancel the job until its claim has ended by itself."""
        for _ in range(PENDING_TTL_S):
            await asyncio.sleep(CANCEL_RETRY_S)
            with contextlib.suppress(RedisError):
                await self._cancel()
                return
