"""The trainings in Redis: the API submits, reads and cancels them, and `worker/tasks/retraining/` runs them."""

import re
from pathlib import Path
from typing import Any

import msgspec

from api.http.uid import UID_CHARS, new_uid
from shared.config.settings import Settings
from shared.contract.training import TRAINING_CODEC, Parameters, Training
from shared.errors import Conflict, NotFound, QueueFull
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.clock import RedisClock
from shared.redis.script import Script

SUBMIT = Script.read(Path(__file__).with_name("submit_training.lua"))
CANCEL = Script.read(Path(__file__).with_name("cancel_training.lua"))
TRAINING_ID = re.compile(rf"t[0-9a-f]{{{UID_CHARS}}}")
MAX_LISTED = 50  # newest trainings per model
RETRY_AFTER_S = 60  # a training takes minutes

NO_TRAINER = (
    "no trainer is running, so trainings wait: start one with `make run TRAINER=1`, or with `celery -A "
    "worker.tasks.trainer worker --pool threads --concurrency 1` and this service's REDIS_URL and MODELS_DIR"
)

Json = dict[str, Any]


class Retraining:
    """Submits, reads and cancels trainings. Every method raises RedisError while Redis is unreachable."""

    def __init__(self, client: AsyncClient, clock: RedisClock, settings: Settings) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings

    async def submit(self, model: str, parameters: Parameters, key: str) -> str:
        """Queue a training and return its id. `key` is the name of the API key. Raises QueueFull."""
        training_id, now_ms = f"t{new_uid()}", self._clock.now_ms()
        max_trainings = self._settings.max_trainings
        training = Training(
            id=training_id, model=model, state="queued", parameters=parameters, created_ms=now_ms, key=key
        )
        call = SUBMIT(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            listed=keys.trainings(model),
            max_open=max_trainings,
            max_listed=MAX_LISTED,
            open_ttl_s=keys.open_training_ttl_s(self._settings.training_ttl_s),
            now_ms=now_ms,
            id=training_id,
            more_args=[part for pair in TRAINING_CODEC.encode(training).items() for part in pair],
        )
        if not await self._client.eval(*call):
            detail = f"{max_trainings} trainings are queued or running already (MAX_TRAININGS)"
            raise QueueFull(detail, RETRY_AFTER_S, "trainings")
        return training_id

    async def read(self, model: str, training_id: str) -> Json:
        """Return a training as JSON. Raises NotFound if the model has no such training."""
        fields = await self._client.hgetall(keys.training(training_id)) if TRAINING_ID.fullmatch(training_id) else {}
        if fields.get(b"model", b"").decode() != model:
            raise NotFound(
                f"no training {training_id!r} of {model}; they are kept for {self._settings.training_ttl_s} s"
            )
        return training_json(TRAINING_CODEC.decode(training_id, fields))

    async def listed(self, model: str) -> list[Json]:
        """Return the trainings of a model, newest first."""
        ids = await self._client.zrevrange(keys.trainings(model), 0, MAX_LISTED - 1)
        async with self._client.pipeline(transaction=False) as pipeline:
            for training_id in ids:
                pipeline.hgetall(keys.training(training_id.decode()))
            found = await pipeline.execute()
        trainings = [
            TRAINING_CODEC.decode(each.decode(), fields) for each, fields in zip(ids, found, strict=True) if fields
        ]
        return [training_json(training) for training in trainings]

    async def cancel(self, model: str, training_id: str) -> Json:
        """Cancel a training, unless it is final, and return it. Raises NotFound, and Conflict during publishing."""
        await self.read(model, training_id)
        call = CANCEL(
            due=keys.TRAININGS_DUE,
            training=keys.training(training_id),
            id=training_id,
            now_ms=self._clock.now_ms(),
            ttl_s=self._settings.training_ttl_s,
        )
        if not await self._client.eval(*call):
            raise Conflict(f"training {training_id} is being published: too late to cancel it")
        return await self.read(model, training_id)

    async def trainers(self) -> list[str]:
        """Return the names of the live trainers."""
        names = await self._client.zrangebyscore(
            keys.TRAINERS, self._clock.now_s() - self._settings.worker_ttl_s, "+inf"
        )
        return sorted(name.decode() for name in names)

    async def summary(self) -> Json:
        """Return the number of trainings that are not final, and a notice if no trainer is there for them."""
        unfinished = await self._client.zcard(keys.TRAININGS_DUE)
        notice = NO_TRAINER if unfinished and not await self.trainers() else None
        return {"unfinished": unfinished, "notice": notice}


def training_json(training: Training) -> Json:
    """Return a training as JSON. Fields without a value are null."""
    fields = msgspec.structs.asdict(training)
    del fields["key"], fields["publishing"]
    return {**fields, "links": {"self": f"/models/{training.model}/train/{training.id}"}}
