"""The callbacks that are due, in Redis: claimed, recorded, put off.

The sorted set CALLBACKS is the truth. Celery's messages only carry ids to threads: one that is lost, or a worker that
is killed, costs the time until a lease ends.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from shared.contract.final_state import COUNTERS, final_state
from shared.redis import keys
from shared.redis.connection import Client
from shared.redis.script import Script

CLAIM = Script.read(Path(__file__).with_name("claim.lua"))
RECORD = Script.read(Path(__file__).with_name("record.lua"))

MAX_CLAIMED = 250  # at a time
QUEUE_WAIT_S = 5  # a message that waits longer for a thread is dropped: its id is due again
LEASE_SPARE_S = 3  # of an attempt's lease over what the attempt may take
FIRST_DELAY_S = 1.0
MAX_DELAY_S = 600.0


@dataclass(frozen=True, slots=True)
class Callback:
    """A final job, and where its callback stands. `body` is what is sent, before it is JSON."""

    url: str
    attempts: int
    body: dict[str, object]


class Schedule:
    """Every method raises redis' errors while Redis is away."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def claim(self) -> list[str]:
        """Ids of jobs whose callback is due; nobody else gets them within QUEUE_WAIT_S."""
        now_ms = _now_ms()
        lease_ms = round((QUEUE_WAIT_S + LEASE_SPARE_S) * 1e3)
        call = CLAIM(callbacks=keys.CALLBACKS, now_ms=now_ms, lease_ends_ms=now_ms + lease_ms, max_ids=MAX_CLAIMED)
        return [job_id.decode() for job_id in self._client.eval(*call)]

    def read(self, job_id: str) -> Callback | None:
        """None for a job that is gone or wants no callback; it is then not due any more either."""
        fields = self._client.hgetall(keys.job(job_id))
        if b"callback_url" in fields and b"finished_ms" in fields:
            return callback_of(job_id, fields)
        self._client.zrem(keys.CALLBACKS, job_id)
        return None

    def put_off(self, job_id: str, delay_s: float) -> None:
        """Due again after `delay_s`; no attempt was made."""
        self._client.zadd(keys.CALLBACKS, {job_id: _now_ms() + round(delay_s * 1e3)}, xx=True)

    def record(self, job_id: str, state: str, attempts: int, delay_s: float | None = None) -> bool:
        """`state` is `waiting`, `delivered` or `failed`; due again after `delay_s`, None: never.

        False when the callback was settled before.
        """
        due_ms = "" if delay_s is None else _now_ms() + round(delay_s * 1e3)
        call = RECORD(
            callbacks=keys.CALLBACKS,
            job=keys.job(job_id),
            id=job_id,
            state=state,
            attempts=attempts,
            due_ms=due_ms,
        )
        return bool(self._client.eval(*call))


def callback_of(job_id: str, fields: dict[bytes, bytes]) -> Callback:
    """Out of the hash of a final job; see `shared/redis/keys.py`."""
    counts = {counter: int(fields.get(counter.encode(), 0)) for counter in COUNTERS}
    total = int(fields[b"total"])
    body: dict[str, object] = {
        "id": job_id,
        "state": final_state(counts, total),
        "total": total,
        "counts": counts,
        "model": fields[b"model"].decode(),
        "finished_ms": int(fields[b"finished_ms"]),
    }
    return Callback(fields[b"callback_url"].decode(), int(fields.get(b"callback_attempts", 0)), body)


def retry_delay_s(attempts: int, chance: float | None = None) -> float:
    """Wait after so many attempts: 1, 2, 4 … s, at most 10 min, shortened by up to a half by `chance` (0 to 1).

    The jitter keeps the callbacks that one receiver's failure has put off from coming back all at once.
    """
    longest_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 32))
    return longest_s * (1 - (random.random() if chance is None else chance) / 2)  # noqa: S311  # no secret


def _now_ms() -> int:
    return int(time.time() * 1e3)
