"""The life of a job in Redis: it is kept open while its upload runs, and ended in one step."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec
from redis.exceptions import RedisError

from api.queue.jobs.idempotency import PENDING_TTL_S, Claim
from shared.contract.job import Job
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.script import Call, Script
from shared.telemetry.job_log import log_finished

END_JOB = Script.read(Path(__file__).with_name("end_job.lua"))
# Replies of end_job.lua: this call made the job final; no such job; images are lost; another upload has the claim.
ENDED, GONE, LOST, TAKEN = 2, -1, -2, -3
CHECK_INTERVAL_MS = 10_000  # between two checks of an open job by `api/queue/jobs/sweep.py`
ABANDONED_TTL_S = 60
RENEWAL_INTERVAL_S = 5.0  # fits several times into UPLOAD_SILENCE_S and into the time to live of a claim
UPLOAD_SILENCE_S = 30  # time without a renewal after which an upload has stopped

# Shows that an upload is alive, and keeps the claim of its Idempotency-Key, unless another upload has taken it.
# `claim` may be ''. EXPIRE is the first write, because a Redis that is out of memory accepts it.
RENEW_UPLOAD = Script(
    "RENEW_UPLOAD",
    """
local job, open_jobs, claim = unpack(KEYS)
local id, silence_ms, open_ttl_s, claim_ttl_s = unpack(ARGV)
local known = redis.call('HMGET', job, 'model', 'finished_ms')
if not known[1] or known[2] then
  return 0
end
redis.call('EXPIRE', open_jobs, open_ttl_s)
if claim ~= '' then
  local holder = redis.call('HGET', claim, 'job')
  if not holder then
    redis.call('HSET', claim, 'job', id)
  end
  if not holder or holder == id then
    redis.call('EXPIRE', claim, claim_ttl_s)
  end
end
local time = redis.call('TIME')
local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + silence_ms
redis.call('ZADD', open_jobs, string.format('%.0f', due_ms), id)
redis.call('EXPIRE', open_jobs, open_ttl_s)
return 1
""",
)

Action = Literal["complete", "abandon", "cancel", "expire", "fail", "fail_upload"]

logger = logging.getLogger(__name__)


def renewal(job_id: str, claim: Claim | None) -> Call:
    """Return the arguments of EVAL that renew an upload."""
    return RENEW_UPLOAD(
        job=keys.job(job_id),
        open_jobs=keys.OPEN_JOBS,
        claim=claim.redis_key if claim else "",
        id=job_id,
        silence_ms=UPLOAD_SILENCE_S * 1000,
        open_ttl_s=keys.OPEN_TTL_S,
        claim_ttl_s=PENDING_TTL_S,
    )


@contextlib.asynccontextmanager
async def kept_open(client: AsyncClient, job_id: str, claim: Claim | None) -> AsyncIterator[None]:
    """Show every few seconds that the upload of a job is alive, however slow its client is."""

    ended = asyncio.Event()  # a cancellation would cost the connection of a call in progress

    async def renew_until_ended() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), RENEWAL_INTERVAL_S)
                return
            try:
                await client.eval(*renewal(job_id, claim))
            except (RedisError, OSError) as error:
                logger.warning("the upload of %s cannot be renewed: %s", job_id, error)

    renewing = asyncio.create_task(renew_until_ended())
    try:
        yield
    finally:
        ended.set()
        await renewing


async def end_job(
    client: AsyncClient,
    job_id: str,
    action: Action,
    final_ttl_s: int,
    *,
    uploaded_images: int | None = None,
    claim: str = "",
    fingerprint: str = "",
    reason: str = "",
) -> int:
    """Return the reply of end_job.lua. Raises Redis errors. `claim` is the Redis key of a claim."""
    call = END_JOB(
        job=keys.job(job_id),
        blocks=keys.job_blocks(job_id),
        manifests=keys.job_manifests(job_id),
        open_jobs=keys.OPEN_JOBS,
        deadlines=keys.DEADLINES,
        callbacks=keys.CALLBACKS,
        claim=claim,
        action=action,
        id=job_id,
        uploaded_images="" if uploaded_images is None else uploaded_images,
        fingerprint=fingerprint,
        reason=reason,
        jobs_channel=keys.JOBS_CHANNEL,
        check_ms=CHECK_INTERVAL_MS,
        open_ttl_s=keys.OPEN_TTL_S,
        final_ttl_s=final_ttl_s,
    )
    return int(await client.eval(*call))


def log_end(job: Job) -> None:
    """Log the end of a job that this process made final."""
    if job.finished_ms is not None:
        counts = msgspec.structs.asdict(job.counts)
        log_finished(job.id, job.request_id, counts, (job.finished_ms - job.created_ms) / 1e3)
