"""The trainings in Redis, as a trainer sees them: claimed, begun, recorded.

The sorted set TRAININGS_DUE is the truth of what is left to do. Celery's messages only carry ids, acknowledged early:
one that is lost, or a trainer that is killed, costs the time until a lease ends, and nothing is begun twice.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from shared.contract.training_request import CANCELLED, QUEUED, Parameters
from shared.redis import keys
from shared.redis.connection import Client
from shared.redis.script import Script

CLAIM = Script.read(Path(__file__).with_name("claim.lua"))
BEGIN = Script.read(Path(__file__).with_name("begin.lua"))
RECORD = Script.read(Path(__file__).with_name("record.lua"))

MESSAGE_WAIT_S = 10  # a message that waits longer for a trainer is dropped: its training is due again
LEASE_S = 15  # renewed every second

Fields = dict[str, str | int | bytes]


@dataclass(frozen=True, slots=True)
class Training:
    """What was asked for. `publishing` is the number of the version that it was, or was about to be, published as."""

    id: str
    model: str
    parameters: Parameters
    key: str
    publishing: int | None


class Register:
    """Every method raises redis' errors while Redis is away."""

    def __init__(self, client: Client, trainer: str, ttl_s: int, beat_ttl_s: int) -> None:
        self._client = client
        self._trainer = trainer
        self._ttl_s = ttl_s
        self._beat_ttl_s = beat_ttl_s

    def write_heartbeat(self) -> None:
        """This trainer lives."""
        now_s = time.time()
        with self._client.pipeline() as pipeline:
            pipeline.zremrangebyscore(keys.TRAINERS, "-inf", now_s - self._beat_ttl_s)
            pipeline.zadd(keys.TRAINERS, {self._trainer: now_s})
            pipeline.expire(keys.TRAINERS, self._beat_ttl_s)
            pipeline.execute()

    def leave(self) -> None:
        self._client.zrem(keys.TRAINERS, self._trainer)

    def claim(self) -> str | None:
        """The id of a training that is due; nobody else gets it within MESSAGE_WAIT_S."""
        now_ms = _now_ms()
        call = CLAIM(due=keys.TRAININGS_DUE, now_ms=now_ms, due_again_ms=now_ms + MESSAGE_WAIT_S * 1000)
        claimed = self._client.eval(*call)
        return claimed.decode() if claimed else None

    def read(self, training_id: str) -> Training | None:
        """None for one that is gone; it is then not due any more either."""
        fields = self._client.hgetall(keys.training(training_id))
        if b"model" not in fields:
            self._client.zrem(keys.TRAININGS_DUE, training_id)
            return None
        publishing = fields.get(b"publishing")
        return Training(
            training_id,
            fields[b"model"].decode(),
            Parameters(**orjson.loads(fields[b"parameters"])),
            fields[b"key"].decode(),
            None if publishing is None else int(publishing),
        )

    def is_open(self, training_id: str) -> bool:
        """Whether it is there and not final."""
        state, finished = self._client.hmget(keys.training(training_id), "state", "finished_ms")
        return state is not None and finished is None

    def begin(self, training_id: str) -> int:
        """Which attempt of it this trainer holds now; 0: none, it is another trainer's or final."""
        now_ms = _now_ms()
        call = BEGIN(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            id=training_id,
            now_ms=now_ms,
            lease_ends_ms=now_ms + LEASE_S * 1000,
            trainer=self._trainer,
            ttl_s=self._ttl_s,
        )
        return int(self._client.eval(*call))

    def record(self, training_id: str, attempt: int, fields: Fields) -> bool:
        """Add to its hash and renew the lease. False: it is not this attempt's any more."""
        return self._record(training_id, attempt, _now_ms() + LEASE_S * 1000, fields)

    def finish(self, training_id: str, attempt: int, state: str, fields: Fields) -> bool:
        return self._record(training_id, attempt, "", {**fields, "state": state, "finished_ms": _now_ms()})

    def release(self, training_id: str, attempt: int) -> bool:
        """Due again at once, for any trainer to go on with."""
        return self._record(training_id, attempt, _now_ms(), {"state": QUEUED})

    def cancel(self, training_id: str, attempt: int) -> bool:
        """As the API does it, for a Celery task that was revoked."""
        return self.finish(training_id, attempt, CANCELLED, {})

    def _record(self, training_id: str, attempt: int, lease_ms: int | str, fields: Fields) -> bool:
        call = RECORD(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            id=training_id,
            attempt=attempt,
            lease_ms=lease_ms,
            ttl_s=self._ttl_s,
            more_args=[part for pair in fields.items() for part in pair],
        )
        return bool(self._client.eval(*call))


def _now_ms() -> int:
    return int(time.time() * 1e3)
