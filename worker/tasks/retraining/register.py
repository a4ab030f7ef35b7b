"""A trainer's view of the trainings in Redis: claim, begin, record.

The sorted set TRAININGS_DUE decides. Celery's messages only carry ids and are acknowledged early: a lost message or a
killed trainer only costs the time until the lease ends, and nothing begins twice.
"""

from pathlib import Path

from shared.contract.training import TRAINING_CODEC, Training, TrainingState
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.script import Script

CLAIM = Script.read(Path(__file__).with_name("claim.lua"))
BEGIN = Script.read(Path(__file__).with_name("begin.lua"))
RECORD = Script.read(Path(__file__).with_name("record.lua"))

WRITE_HEARTBEAT = Script(
    "WRITE_HEARTBEAT",
    """
local trainers = unpack(KEYS)
local name, ttl_s, kept_ttl_s = unpack(ARGV)
local time = redis.call('TIME')
local now_s = time[1] + time[2] / 1e6
redis.call('ZREMRANGEBYSCORE', trainers, '-inf', now_s - ttl_s)
redis.call('ZADD', trainers, string.format('%.6f', now_s), name)
redis.call('EXPIRE', trainers, kept_ttl_s)
""",
)

MESSAGE_WAIT_S = 10  # a message that waits longer for a trainer is dropped, and its training is due again
LEASE_S = 15  # renewed every second

Fields = dict[str, str | int | bytes]


class Register:
    """The trainings in Redis. Every method raises redis' errors during an outage."""

    def __init__(self, client: SyncClient, trainer: str, ttl_s: int, heartbeat_ttl_s: int) -> None:
        self._client = client
        self._trainer = trainer
        self._ttl_s = ttl_s
        self._heartbeat_ttl_s = heartbeat_ttl_s

    def write_heartbeat(self) -> None:
        """Record that this trainer is alive."""
        call = WRITE_HEARTBEAT(
            trainers=keys.TRAINERS, name=self._trainer, ttl_s=self._heartbeat_ttl_s, kept_ttl_s=keys.OPEN_TTL_S
        )
        self._client.eval(*call)

    def leave(self) -> None:
        self._client.zrem(keys.TRAINERS, self._trainer)

    def claim(self) -> str | None:
        """Return the id of a training that is due. No other trainer gets it within MESSAGE_WAIT_S."""
        claimed = self._client.eval(*CLAIM(due=keys.TRAININGS_DUE, wait_ms=MESSAGE_WAIT_S * 1000))
        return claimed.decode() if claimed else None

    def read(self, training_id: str) -> Training | None:
        """Read a training. Return None if it is gone, and forget it."""
        fields = self._client.hgetall(keys.training(training_id))
        if b"model" not in fields:
            self._client.zrem(keys.TRAININGS_DUE, training_id)
            return None
        return TRAINING_CODEC.decode(training_id, fields)

    def is_open(self, training_id: str) -> bool:
        """Return whether the training exists and is not final."""
        state, finished = self._client.hmget(keys.training(training_id), "state", "finished_ms")
        return state is not None and finished is None

    def begin(self, training_id: str) -> int:
        """Begin an attempt and return its number, or 0 if another trainer has the training or it is final."""
        call = BEGIN(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            id=training_id,
            lease_ms=LEASE_S * 1000,
            trainer=self._trainer,
            open_ttl_s=keys.open_training_ttl_s(self._ttl_s),
        )
        return int(self._client.eval(*call))

    def record(self, training_id: str, attempt: int, fields: Fields) -> bool:
        """Add to the hash and renew the lease. Return False if this attempt has lost the training."""
        return self._record(training_id, attempt, LEASE_S * 1000, fields)

    def finish(self, training_id: str, attempt: int, state: TrainingState, fields: Fields) -> bool:
        return self._record(training_id, attempt, "", {**fields, "state": state})

    def release(self, training_id: str, attempt: int) -> bool:
        """Make the training due at once for any trainer."""
        return self._record(training_id, attempt, 0, {"state": "queued"})

    def cancel(self, training_id: str, attempt: int) -> bool:
        """Cancel the training of a revoked Celery task, as the API would."""
        return self.finish(training_id, attempt, "cancelled", {})

    def _record(self, training_id: str, attempt: int, lease_ms: int | str, fields: Fields) -> bool:
        call = RECORD(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            id=training_id,
            attempt=attempt,
            lease_ms=lease_ms,
            ttl_s=self._ttl_s,
            open_ttl_s=keys.open_training_ttl_s(self._ttl_s),
            more_args=[part for pair in fields.items() for part in pair],
        )
        return bool(self._client.eval(*call))
