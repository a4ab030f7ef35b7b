"""The change of an alias, without lost or delayed requests.

The workers load the versions first. Then the alias is changed and the change is recorded, in one transaction. Queued
entries keep their versions.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

import msgspec
from redis.exceptions import WatchError

from api.queue.workers import Workers
from shared.contract.alias import ALIAS_CODEC, CHANGE_CODEC, CHANGES_KEPT, AliasChange, readable_alias
from shared.contract.heartbeat import LiveWorker
from shared.errors import ContractError, NotFound, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient, AsyncPipeline
from shared.redis.clock import RedisClock

logger = logging.getLogger(__name__)

KEEP_DESIRED_S = 60  # after the wait, so that a repeated request finds the versions loaded
POLL_S = 0.1
CHANGES_PER_READ = 1000
MAX_TRIES = 5  # attempts at a change while other changes interrupt it


async def prepare(
    client: AsyncClient, workers: Workers, clock: RedisClock, refs: Iterable[str], wait_s: float, subject: str
) -> None:
    """Wait until every live worker has loaded all of `refs`. `subject` is the `name/alias` to change.

    Raises Unavailable if there is no worker, or if a worker is not ready after `wait_s`. Raises RedisError.
    """
    refs = sorted(refs)
    now_s = clock.now_s()
    async with client.pipeline() as pipeline:
        pipeline.zremrangebyscore(keys.DESIRED, 0, now_s)
        pipeline.zadd(keys.DESIRED, dict.fromkeys(refs, now_s + wait_s + KEEP_DESIRED_S), gt=True)
        pipeline.expire(keys.DESIRED, keys.OPEN_TTL_S)
        pipeline.publish(keys.ALIASES_CHANNEL, subject)
        await pipeline.execute()
    deadline_s = time.monotonic() + wait_s
    while True:
        fault = unready(await workers.refresh(), refs)
        if not fault:
            return
        if time.monotonic() >= deadline_s:
            raise Unavailable(f"{fault} after {wait_s:g} s; nothing is changed", "versions")
        await asyncio.sleep(POLL_S)


def unready(workers: Sequence[LiveWorker], refs: Sequence[str]) -> str:
    """Return which workers have not loaded which versions, by their heartbeats, or "" if all are loaded."""
    if not workers:
        return f"no worker is alive to load {', '.join(refs)}"
    faults: list[str] = []
    for worker in workers:
        reasons = worker.failed_models
        faults += [
            f"{worker.name} has not loaded {ref}" + (f" ({reasons[ref]})" if ref in reasons else "")
            for ref in refs
            if ref not in worker.models
        ]
    return "; ".join(faults)


async def switch(client: AsyncClient, change: AliasChange) -> AliasChange:
    """Make the change in one transaction and return it with the previous meaning. Raises NotFound and RedisError."""
    async with client.pipeline() as pipeline:
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                record = await _try_to_switch(pipeline, change)
                break
            except WatchError:  # somebody else changed an alias, or the connection was lost
                if not tries_left:
                    raise
    logger.warning("alias changed: %s", CHANGE_CODEC.encode(record).decode())
    return record


async def _try_to_switch(pipeline: AsyncPipeline, change: AliasChange) -> AliasChange:
    """Make the change, unless any alias changes meanwhile. Raises WatchError and what `switch` raises."""
    await pipeline.watch(keys.ALIASES)
    held = await pipeline.hget(keys.ALIASES, change.field)
    if held is None and change.after is None:
        raise NotFound(f"no alias {change.alias!r} of model {change.model!r}")
    record = msgspec.structs.replace(change, before=readable_alias(held))
    pipeline.multi()
    if change.after is None:
        pipeline.hdel(keys.ALIASES, change.field)
    else:
        pipeline.hset(keys.ALIASES, change.field, ALIAS_CODEC.encode(change.after))
    pipeline.xadd(keys.CHANGES, {"c": CHANGE_CODEC.encode(record)}, maxlen=CHANGES_KEPT, approximate=True)
    pipeline.publish(keys.ALIASES_CHANNEL, change.field)
    await pipeline.execute()
    return record


async def read_changes(client: AsyncClient, model: str, limit: int) -> list[AliasChange]:
    """Return the last changes of a model's aliases, newest first."""
    changes: list[AliasChange] = []
    before = "+"
    while len(changes) < limit:
        entries = await client.xrevrange(keys.CHANGES, before, "-", count=CHANGES_PER_READ)
        records = [record for _, fields in entries if (record := _readable_change(fields[b"c"])) is not None]
        changes += [record for record in records if record.model == model]
        if len(entries) < CHANGES_PER_READ:
            break
        before = f"({entries[-1][0].decode()}"
    return changes[:limit]


def _readable_change(data: bytes) -> AliasChange | None:
    """Return None for a change that this release cannot read, which a newer release may have written."""
    try:
        return CHANGE_CODEC.decode(data)
    except ContractError as error:
        logger.warning("a change of an alias is left out: %s", error)
        return None
