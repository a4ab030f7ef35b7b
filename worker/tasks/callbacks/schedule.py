"""The callbacks that are due, in Redis: claimed, recorded, delayed.

The sorted set CALLBACKS decides. Celery's messages only carry ids to threads: a lost message or a killed worker only
costs the time until the lease ends.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.contract.job import JOB_CODEC, CallbackBody, CallbackState
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.script import Script

CLAIM = Script.read(Path(__file__).with_name("claim.lua"))
RECORD = Script.read(Path(__file__).with_name("record.lua"))
DELAY = Script(
    "DELAY",
    """
local callbacks = unpack(KEYS)
local id, delay_ms = unpack(ARGV)
local time = redis.call('TIME')
local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + delay_ms
return redis.call('ZADD', callbacks, 'XX', string.format('%.0f', due_ms), id)
""",
)

MAX_CLAIMED = 250  # per sweep
QUEUE_WAIT_S = 5  # a message that waits longer for a thread is dropped, and its callback is due again
LEASE_SPARE_S = 3  # added to the maximum duration of an attempt to make its lease
FIRST_DELAY_S = 1.0
MAX_DELAY_S = 600.0


@dataclass(frozen=True, slots=True)
class Callback:
    """The callback of a final job, and the number of its attempts."""

    url: str
    attempts: int
    body: CallbackBody


class Schedule:
    """The schedule in Redis. Every method raises redis' errors during an outage."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client

    def claim(self) -> list[str]:
        """Return the ids of jobs whose callback is due. No other worker gets them within QUEUE_WAIT_S."""
        lease_ms = round((QUEUE_WAIT_S + LEASE_SPARE_S) * 1e3)
        call = CLAIM(callbacks=keys.CALLBACKS, lease_ms=lease_ms, max_ids=MAX_CLAIMED)
        return [job_id.decode() for job_id in self._client.eval(*call)]

    def read(self, job_id: str) -> Callback | None:
        """Read the callback of a job, which may have expired. Return None if there is none, and forget it."""
        fields = self._client.hgetall(keys.job(job_id)) or self._client.hgetall(keys.job_callback(job_id))
        if b"callback_url" in fields and b"finished_ms" in fields:
            return _callback_of(job_id, fields)
        self._client.zrem(keys.CALLBACKS, job_id)
        return None

    def delay(self, job_id: str, delay_s: float) -> None:
        """Make the callback due after `delay_s`. This does not count as an attempt."""
        self._client.eval(*DELAY(callbacks=keys.CALLBACKS, id=job_id, delay_ms=round(delay_s * 1e3)))

    def begin(self, job_id: str, attempts: int, delay_s: float) -> bool:
        """Begin an attempt, whose lease is `delay_s`. Returns False if another attempt has begun or settled it."""
        return self._record(job_id, "waiting", attempts, attempts - 1, delay_s)

    def record(self, job_id: str, state: CallbackState, attempts: int, delay_s: float | None = None) -> bool:
        """Record the state; the callback is due after `delay_s`, or never.

        Returns False if the callback was settled before, or a later attempt has begun.
        """
        return self._record(job_id, state, attempts, attempts, delay_s)

    def _record(self, job_id: str, state: CallbackState, attempts: int, known: int, delay_s: float | None) -> bool:
        call = RECORD(
            callbacks=keys.CALLBACKS,
            job=keys.job(job_id),
            copy=keys.job_callback(job_id),
            id=job_id,
            state=state,
            attempts=attempts,
            known_attempts=known,
            delay_ms="" if delay_s is None else round(delay_s * 1e3),
            callbacks_ttl_s=keys.OPEN_TTL_S,
        )
        return bool(self._client.eval(*call))


def _callback_of(job_id: str, fields: Mapping[bytes, bytes]) -> Callback:
    job = JOB_CODEC.decode(job_id, fields)
    assert job.callback is not None
    assert job.finished_ms is not None
    body = CallbackBody(job_id, job.state, job.total or 0, job.counts, job.model, job.finished_ms, job.reason)
    return Callback(job.callback.url, job.callback.attempts, body)


def retry_delay_s(attempts: int, jitter: float | None = None) -> float:
    """Return the delay after so many attempts: 1, 2, 4 … s, up to 10 min, shortened by up to half by `jitter` (0 to 1).

    Without jitter, the callbacks that a receiver's failure has delayed would return all at once.
    """
    longest_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 32))
    return longest_s * (1 - (random.random() if jitter is None else jitter) / 2)  # noqa: S311  # no secret
