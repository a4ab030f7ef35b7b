"""Entries that were delivered again: maybe one of their images killed the worker that had them.

Such an entry is run image by image, and Redis knows which one is under way. When the worker dies then, the next one
counts that death against that image alone. An image that has killed as often as it may is set aside.
"""

import logging
from dataclasses import dataclass
from typing import Any

import orjson

from shared.redis import keys
from shared.redis.connection import Client
from shared.telemetry.logs import fields
from worker.delivery import Delivery

logger = logging.getLogger(__name__)

TTL_S = 86_400
GIVE_UP_FACTOR = 10  # an entry that was delivered so many times MAX_ATTEMPTS is set aside whole
# Whoever had an image under way and lost the entry has died of it, or so it seems. Returns the deaths of all images.
BLAME_SCRIPT = """
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  if string.sub(fields[index], 1, 8) == 'running:' then
    redis.call('HDEL', KEYS[1], fields[index])
    redis.call('HINCRBY', KEYS[1], fields[index + 1], 1)
  end
end
return redis.call('HGETALL', KEYS[1])
"""
# A worker that was only slow finds its mark gone, and takes the blame off the image that it has survived.
# HDEL comes first of the writes: a Redis without memory lets it through, and with it what follows.
MARK_SCRIPT = """
local marked = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and not marked then
  redis.call('HINCRBY', KEYS[1], ARGV[2], -1)
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An image that was set aside, as it goes onto its stream."""

    header: bytes
    pixels: bytes


def set_aside(delivery: Delivery, deaths: dict[int, int], max_attempts: int) -> list[int]:
    """Positions that have killed as often as they may; the first death, in company, counts for all of the entry."""
    if delivery.attempt > GIVE_UP_FACTOR * max_attempts:
        return [position for position in range(delivery.entry.count) if position not in delivery.faults]
    alone = max(1, max_attempts - 1)
    return [position for position, count in sorted(deaths.items()) if count >= alone]


def dead_letter(delivery: Delivery, position: int, reason: str, now_ms: int) -> DeadLetter:
    entry = delivery.entry
    header: dict[str, Any] = {
        "model": entry.model,
        "lane": delivery.lane,
        "client": entry.client,
        "reason": reason,
        "attempts": delivery.attempt,
        "at_ms": now_ms,
        "position": position,
        "request_id": entry.request_id(position),
    }
    if entry.chunk is None:
        header["single"] = f"{entry.uid}-{position}"
    else:
        header |= {"job": entry.uid, "chunk": entry.chunk}
    return DeadLetter(orjson.dumps(header), entry.images[position].tobytes())


class Suspects:
    """Blocks while Redis is away, as its client retries. Raises redis' errors otherwise."""

    def __init__(self, client: Client, consumer: str, max_attempts: int) -> None:
        self._client = client
        self._mark = f"running:{consumer}"
        self._max_attempts = max_attempts

    def judge(self, delivery: Delivery) -> None:
        """Fail the images of a delivery that are set aside, and have its others run one by one."""
        told = self._client.eval(BLAME_SCRIPT, 1, self._key(delivery))
        deaths = {int(position): int(count) for position, count in zip(told[::2], told[1::2], strict=True)}
        for position in set_aside(delivery, deaths, self._max_attempts):
            reason = f"set aside after {deaths.get(position, 0) + 1} attempts that no worker survived"
            if delivery.attempt > GIVE_UP_FACTOR * self._max_attempts:
                reason = f"set aside: its entry was delivered {delivery.attempt} times, which no worker survived"
            about = fields(request_id=delivery.entry.request_id(position))
            logger.error("image %d of entry %s: %s", position, delivery.entry.uid, reason, extra=about)
            delivery.faults[position] = ("failed", reason)
            delivery.set_aside.append(position)

    def mark(self, delivery: Delivery, survived: int | None, position: int | None) -> None:
        """Must be called before the image at `position` is run, and after the last one, with None for it.

        `survived` is the position that this worker marked before; None: this is its first.
        """
        told = ["" if which is None else which for which in (survived, position)]
        self._client.eval(MARK_SCRIPT, 1, self._key(delivery), self._mark, *told, TTL_S)

    def _key(self, delivery: Delivery) -> str:
        return keys.suspect(delivery.stream, delivery.entry_id.decode())
