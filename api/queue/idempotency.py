"""`Idempotency-Key`: an upload that is sent again, because its reply was lost, gets the job that it already has.

What is compared are the images and their names, not the bytes of the body: a client that sends the same files again
may pack them anew, with another multipart boundary.
"""

import hashlib
import time
from collections.abc import AsyncIterator

import orjson

from api.uploads.chunk import Chunk
from shared.errors import BadParameter
from shared.redis import keys
from shared.redis.connection import Client
from shared.redis.script import Script

PENDING_TTL_S = 60  # of a claim whose upload still comes in; renewed while it does
RENEW_EVERY_S = 10.0
MAX_KEY_CHARS = 255
CLAIM = Script(
    "CLAIM",
    """
local claim = unpack(KEYS)
local job, ttl_s = unpack(ARGV)
local held = redis.call('HMGET', claim, 'job', 'fingerprint')
if not held[1] then
  redis.call('HSET', claim, 'job', job)
  redis.call('EXPIRE', claim, ttl_s)
end
return held
""",
)


class Claim:
    """One request's claim on its key. `holder` is the job that has the key already; empty: this request's own has it.

    `held_fingerprint` is that job's, empty while its upload still comes in.
    """

    def __init__(self, client: Client, redis_key: str, job_id: str, asked_for: str) -> None:
        self._client = client
        self._digest = hashlib.sha256(asked_for.encode())
        self.redis_key = redis_key
        self.job_id = job_id
        self.holder = ""
        self.held_fingerprint = ""

    @property
    def fingerprint(self) -> str:
        """Of the chunks that `watch` has given so far."""
        return self._digest.hexdigest()

    async def watch(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        """The chunks as they are. The claim stays this request's own for as long as they come."""
        renewed_s = time.monotonic()
        async for chunk in chunks:
            self._digest.update(orjson.dumps([chunk.count, chunk.names, list(chunk.errors.items())]))
            self._digest.update(chunk.pixels)
            if not self.holder and time.monotonic() - renewed_s > RENEW_EVERY_S:
                renewed_s = time.monotonic()
                await self._client.expire(self.redis_key, PENDING_TTL_S)
            yield chunk


async def claim_key(client: Client, api_key: str, idempotency_key: str, job_id: str, asked_for: str) -> Claim:
    """Claim the key for `job_id`, or learn who has it; `asked_for` is what the images are to be compared with beside.

    Raises BadParameter for a key of no use, and redis' errors.
    """
    if not 0 < len(idempotency_key) <= MAX_KEY_CHARS:
        raise BadParameter(f"an Idempotency-Key has 1 to {MAX_KEY_CHARS} characters")
    hashed = hashlib.sha256(idempotency_key.encode()).hexdigest()
    claim = Claim(client, keys.idempotency(api_key, hashed), job_id, asked_for)
    holder, fingerprint = await client.eval(*CLAIM(claim=claim.redis_key, job=job_id, ttl_s=PENDING_TTL_S))
    claim.holder = holder.decode() if holder else ""
    claim.held_fingerprint = fingerprint.decode() if fingerprint else ""
    return claim
