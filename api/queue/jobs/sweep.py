"""Ends jobs that nothing else ends: at their deadline, and when Redis has lost some of their images."""

import logging
from collections.abc import Awaitable
from dataclasses import dataclass

from redis.exceptions import ResponseError

from api.periodic import repeat
from api.queue.jobs.life import CHECK_INTERVAL_MS, ENDED, Action, end_job, log_end
from shared.config.settings import Settings
from shared.contract.job import JOB_CODEC, Job
from shared.contract.model_ref import ModelRef
from shared.errors import ContractError
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock
from shared.redis.errors import passes
from shared.redis.script import Script

INTERVAL_S = 0.25
JOBS_PER_SWEEP = 100

# Returns the ids of jobs whose deadline has passed, and of jobs to check, both by Redis's clock. A job to check is due
# again after `interval_ms`, for any API process.
DUE_JOBS = Script(
    "DUE_JOBS",
    """
local deadlines, open_jobs = unpack(KEYS)
local interval_ms, max_jobs = unpack(ARGV)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = redis.call('ZRANGEBYSCORE', deadlines, '-inf', string.format('%.0f', now_ms), 'LIMIT', 0, max_jobs)
local unchecked = redis.call('ZRANGEBYSCORE', open_jobs, '-inf', string.format('%.0f', now_ms), 'LIMIT', 0, max_jobs)
for _, id in ipairs(unchecked) do
  redis.call('ZADD', open_jobs, string.format('%.0f', now_ms + interval_ms), id)
end
return {expired, unchecked}
""",
)
# One script, because a worker may return an entry to the stream between two commands.
STREAM_STATE = Script(
    "STREAM_STATE",
    """
local stream, returned, deferred = unpack(KEYS)
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
return {oldest and oldest[1] or false, redis.call('GET', returned), redis.call('SCARD', deferred)}
""",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamState:
    """The entries that may belong to a job. An entry leaves the stream of its job once its results are written.

    `oldest` is the id of the oldest entry on the stream. `deferred` is the number of formats whose entries were
    deferred: such entries return with a new id, and `returned` is the last of these ids.
    """

    oldest: bytes | None
    returned: bytes | None = None
    deferred: int = 0

    def is_behind(self, entry_id: str) -> bool:
        """Return whether no entry up to `entry_id` is left, by its old or its new id."""
        if self.deferred:
            return False
        last = max(_number(each) for each in (entry_id.encode(), self.returned) if each)
        return self.oldest is None or _number(self.oldest) > last


def failure_of(job: Job, stream: StreamState, now_ms: float) -> tuple[Action, str] | None:
    """Return how and why a job must end whose upload is silent, or None if the job only waits."""
    if job.total is None:
        return "fail_upload", (
            "its upload stopped, or Redis has lost the end of it: send the images again. "
            f"Redis has {job.accepted or 0} of them"
        )
    if now_ms - job.created_ms > keys.MAX_OPEN_S * 1e3:
        return "fail", f"not finished within {keys.MAX_OPEN_S // 86_400} days"
    if job.last_entry and stream.is_behind(job.last_entry):
        lost = job.total - job.finished
        return "fail", f"Redis has lost {lost} of the job's {job.total} images: send the images again"
    return None


class JobSweep:
    """Ends jobs, also those that other API processes accepted. `sweep_forever` runs as a task of the process."""

    def __init__(self, client: AsyncClient, clock: RedisClock, settings: Settings) -> None:
        self._client = client
        self._clock = clock
        self._result_ttl_s = settings.result_ttl_s

    async def sweep_forever(self) -> None:
        """Sweep forever, even if no worker is alive."""
        await repeat(self.sweep, INTERVAL_S, "deadlines cannot be kept")

    async def sweep(self) -> None:
        """End the jobs whose deadline has passed, and check the jobs that are due for it. Raises Redis errors."""
        due = DUE_JOBS(
            deadlines=keys.DEADLINES, open_jobs=keys.OPEN_JOBS, interval_ms=CHECK_INTERVAL_MS, max_jobs=JOBS_PER_SWEEP
        )
        expired, unchecked = await self._client.eval(*due)
        for job_id in expired:
            await self._spare_others(job_id.decode(), self._end(job_id.decode(), "expire"))
        for job_id in unchecked:
            await self._spare_others(job_id.decode(), self._check(job_id.decode()))

    async def _spare_others(self, job_id: str, act: Awaitable[None]) -> None:
        """Wait for `act`. If the keys of this job cannot be used, postpone it, so that other jobs end.

        Raises the errors of Redis that other jobs would meet, too.
        """
        try:
            await act
        except ResponseError as error:
            if passes(error):
                raise
            logger.error("job %s cannot be checked: %s", job_id, error)
            later_ms = self._clock.now_ms() + CHECK_INTERVAL_MS
            for due in (keys.DEADLINES, keys.OPEN_JOBS):
                await self._client.zadd(due, {job_id: later_ms}, xx=True)

    async def _check(self, job_id: str) -> None:
        job = await self._read(job_id)
        if job is None or job.finished_ms is not None:
            await self._client.zrem(keys.OPEN_JOBS, job_id)
            return
        stream = keys.stream(ModelRef.parse(job.model).name, job.lane, job.shard)
        call = STREAM_STATE(stream=stream, returned=keys.returned_entry(stream), deferred=keys.DEFERRED)
        state = StreamState(*await self._client.eval(*call))
        failure = failure_of(job, state, self._clock.now_ms())
        if failure is not None:
            action, reason = failure
            await self._end(job_id, action, reason)

    async def _end(self, job_id: str, action: Action, reason: str = "") -> None:
        if await end_job(self._client, job_id, action, self._result_ttl_s, reason=reason) == ENDED:
            if reason:
                logger.error("job %s failed: %s", job_id, reason)
            job = await self._read(job_id)
            if job is not None:
                log_end(job)

    async def _read(self, job_id: str) -> Job | None:
        fields = await self._client.hgetall(keys.job(job_id))
        try:
            return JOB_CODEC.decode(job_id, fields) if fields else None
        except ContractError as error:  # must not keep other jobs from their end
            logger.error("job %s cannot be read: %s", job_id, error)
            return None


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
