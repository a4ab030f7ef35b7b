"""The callbacks that are due, in Redis: claimed, recorded, delayed.

The sorted set CALLBACKS decides. Celery's messages only carry ids to threads: a lost message or a killed worker only
costs the time until the lease ends.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.contract.job import JOB_CODEC, CallbackBody, CallbackState
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.script import Script

CLAIM = Script.read(Path(__file__).with_name("claim.lua"))
RECORD = Script.read(Path(__file__).with_name("record.lua"))

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
        now_ms = _now_ms()
        lease_ms = round((QUEUE_WAIT_S + LEASE_SPARE_S) * 1e3)
        call = CLAIM(callbacks=keys.CALLBACKS, now_ms=now_ms, lease_ends_ms=now_ms + lease_ms, max_ids=MAX_CLAIMED)
        return [job_id.decode() for job_id in self._client.eval(*call)]

    def read(self, job_id: str) -> Callback | None:
        """Read the callback of a job. Return None if the job is gone or has no callback, and forget it."""
        fields = self._client.hgetall(keys.job(job_id))
        if b"callback_url" in fields and b"finished_ms" in fields:
            return _callback_of(job_id, fields)
        self._client.zrem(keys.CALLBACKS, job_id)
        return None

    def delay(self, job_id: str, delay_s: float) -> None:
        """Make the callback due after `delay_s`. This does not count as an attempt."""
        self._client.zadd(keys.CALLBACKS, {job_id: _now_ms() + round(delay_s * 1e3)}, xx=True)

    def record(self, job_id: str, state: CallbackState, attempts: int, delay_s: float | None = None) -> bool:
        """Record the state; the callback is due after `delay_s`, or never. Returns False if it was settled before."""
        due_ms = "" if delay_s is None else _now_ms() + round(delay_s * 1e3)
        call = RECORD(
            callbacks=keys.CALLBACKS, job=keys.job(job_id), id=job_id, state=state, attempts=attempts, due_ms=due_ms
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


def _now_ms() -> int:
    return int(time.time() * 1e3)
