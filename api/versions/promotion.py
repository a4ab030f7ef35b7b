"""Changing an alias so that no request is lost or waits for it: the workers are told first, and load; then everyone
switches, and who did it is recorded in the same step. Entries that are queued have their version already.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from api.queue.workers import Workers
from shared.contract.alias import Alias, decode_alias, encode_alias
from shared.contract.heartbeat import LiveWorker
from shared.errors import ModelError, NotFound, Unavailable
from shared.redis import keys
from shared.redis.connection import Client

logger = logging.getLogger(__name__)

KEEP_DESIRED_S = 60  # after the wait: whoever asks again finds loaded what was loaded meanwhile
POLL_S = 0.1
CHANGES_KEPT = 10_000
CHANGES_PER_READ = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`to` is None where the alias is deleted; `by` the name of an API key; `forced` where the gate was overruled."""

    model: str
    alias: str
    to: Alias | None
    by: str
    reason: str = ""
    forced: bool = False

    @property
    def field(self) -> str:
        return f"{self.model}/{self.alias}"


async def prepare(client: Client, workers: Workers, refs: Iterable[str], wait_s: float, subject: str) -> None:
    """Return once every live worker has all of `refs` loaded. `subject` is the `name/alias` that is to change.

    Raises Unavailable when there is no worker, or one is not ready after `wait_s`, and redis' errors.
    """
    refs = sorted(refs)
    now_s = time.time()
    async with client.pipeline() as pipeline:
        pipeline.zremrangebyscore(keys.DESIRED, 0, now_s)
        pipeline.zadd(keys.DESIRED, dict.fromkeys(refs, now_s + wait_s + KEEP_DESIRED_S), gt=True)
        pipeline.expire(keys.DESIRED, round(wait_s) + 2 * KEEP_DESIRED_S)
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
    """Who has not loaded what, by the workers' heartbeats; empty when all have everything."""
    if not workers:
        return f"no worker is there to load {', '.join(refs)}"
    faults: list[str] = []
    for worker in workers:
        reasons = worker.failed_models
        faults += [
            f"{worker.name} has not loaded {ref}" + (f" ({reasons[ref]})" if ref in reasons else "")
            for ref in refs
            if ref not in worker.models
        ]
    return "; ".join(faults)


async def switch(client: Client, change: Change) -> dict[str, Any]:
    """Make the change and record it, both or neither; the record.

    Raises NotFound where an alias is to be deleted that is not there, and redis' errors.
    """

    async def decide(pipeline: Client) -> dict[str, Any]:
        held = await pipeline.hget(keys.ALIASES, change.field)
        if held is None and change.to is None:
            raise NotFound(f"no alias {change.alias!r} of model {change.model!r}")
        record = {
            "at_ms": int(time.time() * 1e3),
            "by": change.by or None,
            "model": change.model,
            "alias": change.alias,
            "from": _told(held),
            "to": None if change.to is None else asdict(change.to),
            "reason": change.reason,
            "forced": change.forced,
        }
        pipeline.multi()
        if change.to is None:
            pipeline.hdel(keys.ALIASES, change.field)
        else:
            pipeline.hset(keys.ALIASES, change.field, encode_alias(change.to))
        pipeline.xadd(keys.CHANGES, {"c": orjson.dumps(record)}, maxlen=CHANGES_KEPT, approximate=True)
        pipeline.publish(keys.ALIASES_CHANNEL, change.field)
        return record

    record: dict[str, Any] = await client.transaction(decide, keys.ALIASES, value_from_callable=True)
    logger.warning("alias changed: %s", orjson.dumps(record).decode())
    return record


def _told(held: bytes | None) -> dict[str, Any] | None:
    """An alias as clients see it; None where there is none, or none that can be read."""
    try:
        return None if held is None else asdict(decode_alias(held))
    except ModelError:
        return None


async def read_changes(client: Client, model: str, limit: int) -> list[dict[str, Any]]:
    """The last changes of one model's aliases, the newest first."""
    changes: list[dict[str, Any]] = []
    before = "+"
    while len(changes) < limit:
        entries = await client.xrevrange(keys.CHANGES, before, "-", count=CHANGES_PER_READ)
        records = [orjson.loads(fields[b"c"]) for _, fields in entries]
        changes += [record for record in records if record["model"] == model]
        if len(entries) < CHANGES_PER_READ:
            break
        before = f"({entries[-1][0].decode()}"
    return changes[:limit]
