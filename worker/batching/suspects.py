"""Entries that were delivered again, because one of their images may have killed the worker that had them.

Such an entry is run image by image, and Redis knows which image runs. If the worker dies, the next worker blames that
image alone. An image that was blamed MAX_ATTEMPTS times is moved to the dead-letter stream.
"""

import logging

from shared.contract.dead_letter import DEAD_LETTER_CODEC, DeadLetter
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.script import Script
from shared.telemetry.logs import fields
from worker.delivery import Delivery

logger = logging.getLogger(__name__)

GIVE_UP_FACTOR = 10  # after this many times MAX_ATTEMPTS, all images of an entry become dead letters
# A worker that was running an image when it lost the entry seems to have died of that image.
# Returns the deaths of all images.
BLAME = Script(
    "BLAME",
    """
local suspect = unpack(KEYS)
local ttl_s = unpack(ARGV)
local fields = redis.call('HGETALL', suspect)
for index = 1, #fields, 2 do
  if string.sub(fields[index], 1, 8) == 'running:' then
    redis.call('HDEL', suspect, fields[index])
    redis.call('HINCRBY', suspect, fields[index + 1], 1)
    redis.call('EXPIRE', suspect, ttl_s) -- HDEL of the last field has deleted the key
  end
end
return redis.call('HGETALL', suspect)
""",
)
# A worker that was only slow finds its mark gone, and removes the blame from the image that it has survived.
# HDEL is the first write: a Redis that is out of memory accepts it, and then accepts the other writes of the script.
MARK = Script(
    "MARK",
    """
local suspect = unpack(KEYS)
local mark, survived, running, ttl_s = unpack(ARGV)
local marked, exists = redis.call('HGET', suspect, mark), redis.call('EXISTS', suspect) == 1
redis.call('HDEL', suspect, mark)
if survived ~= '' and exists and not marked then
  redis.call('HINCRBY', suspect, survived, -1)
end
if running ~= '' then
  redis.call('HSET', suspect, mark, running)
end
redis.call('EXPIRE', suspect, ttl_s)
""",
)


def dead_positions(delivery: Delivery, deaths: dict[int, int], max_attempts: int) -> list[int]:
    """Return the positions that become dead letters. The first death counts for all images of the entry."""
    if delivery.attempt > GIVE_UP_FACTOR * max_attempts:
        return [position for position in range(delivery.count) if position not in delivery.faults]
    alone = max(1, max_attempts - 1)
    return [position for position, count in sorted(deaths.items()) if count >= alone]


def dead_letter(delivery: Delivery, position: int, reason: str, now_ms: int) -> tuple[bytes, bytes]:
    """Return header and pixels of an image that is moved to the dead-letter stream."""
    entry = delivery.entry
    single = entry.chunk is None
    letter = DeadLetter(
        model=entry.model,
        lane=delivery.lane,
        client=entry.client,
        reason=reason,
        attempts=delivery.attempt,
        at_ms=now_ms,
        position=position,
        request_id=entry.request_id(position),
        single=f"{entry.uid}-{position}" if single else None,
        job=None if single else entry.uid,
        chunk=entry.chunk,
    )
    return DEAD_LETTER_CODEC.encode(letter), entry.images[position].tobytes()


class Suspects:
    """Blames images for the deaths of workers. Blocks while Redis is unreachable, because its client retries."""

    def __init__(self, client: SyncClient, consumer: str, max_attempts: int) -> None:
        self._client = client
        self._mark = f"running:{consumer}"
        self._max_attempts = max_attempts

    def judge(self, delivery: Delivery) -> None:
        """Fail the images of a delivery that become dead letters."""
        reply = self._client.eval(*BLAME(suspect=self._key(delivery), ttl_s=keys.OPEN_TTL_S))
        deaths = {int(position): int(count) for position, count in zip(reply[::2], reply[1::2], strict=True)}
        for position in dead_positions(delivery, deaths, self._max_attempts):
            reason = f"moved to the dead letters after {deaths.get(position, 0) + 1} attempts that no worker survived"
            if delivery.attempt > GIVE_UP_FACTOR * self._max_attempts:
                reason = f"moved to the dead letters: no worker survived {delivery.attempt} deliveries of its entry"
            about = fields(request_id=delivery.entry.request_id(position))
            logger.error("image %d of entry %s: %s", position, delivery.entry.uid, reason, extra=about)
            delivery.faults[position] = ("failed", reason)
            delivery.dead_positions.append(position)

    def mark(self, delivery: Delivery, survived: int | None, position: int | None) -> None:
        """Store which image runs. Call it before each image, and with `position` None after the last one.

        `survived` is the position that this worker marked before, or None for its first.
        """
        call = MARK(
            suspect=self._key(delivery),
            mark=self._mark,
            survived="" if survived is None else survived,
            running="" if position is None else position,
            ttl_s=keys.OPEN_TTL_S,
        )
        self._client.eval(*call)

    def _key(self, delivery: Delivery) -> str:
        return keys.suspect(delivery.stream, delivery.entry_id.decode())
