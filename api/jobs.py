"""Jobs in Redis: begun, filled chunk by chunk, completed, waited for, read, cancelled."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from redis.exceptions import RedisError

from api.enqueue import Enqueuer, Manifest
from api.idempotency import Claim
from api.job import Job, block_item, chunk_items, job_from_fields, queued_item, single_json
from api.replies import UID_CHARS, Replies, new_uid
from api.uploads.chunk import Chunk
from shared import keys
from shared.api_keys import ApiKey
from shared.block import Block, decode_block
from shared.connection import Client
from shared.entry import Entry
from shared.errors import NotFound, QueueFull
from shared.keys import Lane
from shared.settings import Settings

logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("end_job.lua").read_text()
JOB_ID = re.compile(rf"j[0-9a-f]{{{UID_CHARS}}}")
SINGLE_ID = re.compile(rf"([0-9a-f]{{{UID_CHARS}}})-([0-9]{{1,4}})")
CHUNKS_PER_READ = 16
ROOM_POLL_S = 0.05  # how often an upload that waits for room asks again; its client feels TCP's own back-pressure
ABANDONED_TTL_S = 60
EXPIRE_EVERY_S = 0.25
JOBS_PER_SWEEP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """`model` is `name@version`, `asked` what `?model=` said, which may mean another version by the next time; `client`
    is the name of the API key; after `timeout_s` what has no answer expires. A `verbose` job has one image.
    """

    model: str
    asked: str = ""
    lane: Lane
    client: str = ""
    timeout_s: float | None = None
    callback_url: str | None = None
    verbose: bool = False


def new_job_id() -> str:
    return f"j{new_uid()}"


class Jobs:
    """Every method raises redis' errors while Redis is away."""

    def __init__(self, client: Client, enqueuer: Enqueuer, replies: Replies, settings: Settings) -> None:
        self._client = client
        self._enqueuer = enqueuer
        self._replies = replies
        self._settings = settings
        self._end_script = client.register_script(SCRIPT)

    async def submit(self, chunks: AsyncIterator[Chunk], wanted: JobRequest, claim: Claim | None = None) -> Job:
        """Store a whole upload as a job and return it: from then on nothing of it gets lost.

        Whatever `chunks` raises, and QueueFull and Unavailable, ends the job that had begun: nobody knows its id.
        """
        job_id = claim.job_id if claim else new_job_id()
        total = number = 0
        try:
            shard = await self._begin(job_id, wanted)
            async for chunk in chunks:
                await self._put(job_id, wanted, shard, number, chunk)
                number += 1
                total += chunk.count
            await self._end(job_id, "complete", total, claim)
        except BaseException:
            await asyncio.shield(self._abandon(job_id, claim))
            raise
        return await self._read(job_id)

    async def read(self, job_id: str, caller: ApiKey) -> Job:
        """Raises NotFound for an id that was never given out, or to another key, or whose time to live is over."""
        job = await self._read(job_id)
        if job.client != caller.name:
            raise self._no_result(job_id)
        return job

    async def wait(self, job_id: str, caller: ApiKey, wait_s: float) -> Job:
        """The job once it is final, or as it is after `wait_s`."""
        with self._replies.job_end(job_id) as ended:
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
        await self._end(job_id, "cancel", "")
        return await self._read(job_id)

    async def expire_due(self) -> None:
        """End the jobs whose deadline has passed, whoever accepted them."""
        now_ms = int(time.time() * 1e3)
        for job_id in await self._client.zrangebyscore(keys.DEADLINES, 0, now_ms, start=0, num=JOBS_PER_SWEEP):
            await self._end(job_id.decode(), "expire", "")

    async def expire_forever(self) -> None:
        """Never returns. Deadlines are kept this often, also when no worker comes to their jobs."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            try:
                await self.expire_due()
            except (RedisError, OSError) as error:
                logger.warning("deadlines cannot be kept: %s", error)

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

    async def remember_single(self, single_id: str, model: str, caller: ApiKey) -> None:
        """Make the id of a single whose wait ran out known to `read_single`."""
        waited = orjson.dumps({"model": model, "client": caller.name})
        await self._client.set(keys.waited(single_id), waited, ex=self._settings.single_result_ttl_s)

    async def read_single(self, single_id: str, caller: ApiKey) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """State and item of a single whose wait ran out; None when the id is no single's, not known, or another's."""
        match = SINGLE_ID.fullmatch(single_id)
        if match is None:
            return None
        data, waited = await self._client.mget(keys.result(match[1]), keys.waited(single_id))
        block: Block | None = decode_block(data) if data is not None else None
        position = int(match[2])
        if block is None:
            asked = orjson.loads(waited) if waited is not None else {}
            if asked.get("client") != caller.name:
                return None
            return single_json(single_id, asked["model"], None, position), queued_item()
        if position >= block.count or block.client != caller.name:
            return None
        return single_json(single_id, block.model, block, position), block_item(block, position, 0, None)

    async def _read(self, job_id: str) -> Job:
        fields = await self._client.hgetall(keys.job(job_id)) if JOB_ID.fullmatch(job_id) else {}
        if b"model" not in fields:
            raise self._no_result(job_id)
        return job_from_fields(job_id, fields)

    def _no_result(self, job_id: str) -> NotFound:
        return NotFound(f"no result {job_id!r}; results are kept for {self._settings.result_ttl_s} s")

    async def _begin(self, job_id: str, wanted: JobRequest) -> int:
        """Make the job; the shard that its entries go to."""
        now_ms = int(time.time() * 1e3)
        fields: dict[str, str | int] = {
            "model": wanted.model,
            "lane": wanted.lane,
            "client": wanted.client,
            "created_ms": now_ms,
            "chunk_images": self._settings.bulk_entry_images,
            "done": 0,
            "failed": 0,
            "expired": 0,
        }
        if wanted.timeout_s is not None:
            fields["deadline_ms"] = now_ms + round(wanted.timeout_s * 1e3)
        if wanted.callback_url is not None:
            fields["callback_url"] = wanted.callback_url
        async with self._client.pipeline() as pipeline:
            pipeline.hset(keys.job(job_id), mapping=fields)
            pipeline.expire(keys.job(job_id), self._settings.result_ttl_s)
            await pipeline.execute()
        return await self._enqueuer.choose_shard(wanted.model, wanted.lane, wanted.client)

    async def _put(self, job_id: str, wanted: JobRequest, shard: int, number: int, chunk: Chunk) -> None:
        """The first chunk is refused at once when the lane is full; later ones wait, and the upload with them."""
        accepted_us = time.time_ns() // 1000
        entry = Entry(
            job_id,
            wanted.model,
            chunk.pixels,
            accepted_us,
            chunk=number,
            client=wanted.client,
            verbose=wanted.verbose,
        )
        deadline_s = time.monotonic() + (self._settings.upload_stall_s if number else 0)
        while True:
            try:
                await self._enqueuer.put_chunk(entry, wanted.lane, shard, Manifest(chunk.names, chunk.errors))
                return
            except QueueFull:
                if time.monotonic() >= deadline_s:
                    raise
            await asyncio.sleep(ROOM_POLL_S)

    async def _end(self, job_id: str, how: str, total: int | str, claim: Claim | None = None) -> None:
        now_ms = int(time.time() * 1e3)
        await self._end_script(
            keys=[keys.job(job_id), keys.DEADLINES, claim.redis_key if claim else "", keys.CALLBACKS],
            args=[how, total, now_ms, keys.JOBS_CHANNEL, job_id, claim.fingerprint if claim else ""],
        )

    async def _abandon(self, job_id: str, claim: Claim | None) -> None:
        if claim:
            await self._client.delete(claim.redis_key)
        await self._client.hdel(keys.job(job_id), "callback_url")  # a job that nobody knows calls nobody back
        await self._end(job_id, "cancel", "")
        for key in (keys.job(job_id), keys.job_blocks(job_id), keys.job_manifests(job_id)):
            await self._client.expire(key, ABANDONED_TTL_S)
