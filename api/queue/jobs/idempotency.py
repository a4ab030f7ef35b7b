"""`Idempotency-Key`: an upload that is sent again, for example because its response was lost, gets the same job.

The comparison uses the images and their names instead of the bytes of the body, because a client that sends the same
files again may pack them differently, for example with another multipart boundary.
"""

import hashlib
from collections.abc import AsyncIterator

import orjson

from api.uploads.chunk import Chunk
from shared.errors import BadParameter
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.script import Script

PENDING_TTL_S = 60  # time to live of a claim during its upload, which `JobStore.submit` renews
MAX_KEY_CHARS = 255
CLAIM = Script(
    "CLAIM",
    """
local claim = unpack(KEYS)
local job, gone_job, ttl_s = unpack(ARGV)
local held = redis.call('HMGET', claim, 'job', 'fingerprint')
if held[1] and held[1] ~= gone_job then
  return held
end
redis.call('DEL', claim)
redis.call('HSET', claim, 'job', job)
redis.call('EXPIRE', claim, ttl_s)
return {false, false}
""",
)


class Claim:
    """A request's claim on its key. `holder` is the earlier job that holds the key, or empty if the claim succeeded.

    `held_fingerprint` is the fingerprint of that job, or empty during its upload.
    """

    def __init__(self, client: AsyncClient, redis_key: str, job_id: str, parameters: str) -> None:
        self._client = client
        self._digest = hashlib.sha256(parameters.encode())
        self.redis_key = redis_key
        self.job_id = job_id
        self.holder = ""
        self.held_fingerprint = ""

    async def take(self, gone_job: str = "") -> None:
        """Take the claim, unless a job other than `gone_job` holds it."""
        call = CLAIM(claim=self.redis_key, job=self.job_id, gone_job=gone_job, ttl_s=PENDING_TTL_S)
        holder, fingerprint = await self._client.eval(*call)
        self.holder = holder.decode() if holder else ""
        self.held_fingerprint = fingerprint.decode() if fingerprint else ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the parameters and of the chunks that `watch` has yielded."""
        return self._digest.hexdigest()

    async def watch(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        """Yield the chunks unchanged, and add them to the fingerprint."""
        async for chunk in chunks:
            self._digest.update(orjson.dumps([chunk.count, chunk.names, list(chunk.errors.items())]))
            self._digest.update(chunk.pixels)
            yield chunk


async def claim_key(client: AsyncClient, api_key: str, idempotency_key: str, job_id: str, parameters: str) -> Claim:
    """Claim the key for `job_id`, or find the job that holds it. Raises BadParameter and RedisError."""
    if not 0 < len(idempotency_key) <= MAX_KEY_CHARS:
        raise BadParameter(f"an Idempotency-Key must have 1 to {MAX_KEY_CHARS} characters")
    hashed = hashlib.sha256(idempotency_key.encode()).hexdigest()
    claim = Claim(client, keys.idempotency(api_key, hashed), job_id, parameters)
    await claim.take()
    if claim.held_fingerprint and not await client.exists(keys.job(claim.holder)):
        await claim.take(gone_job=claim.holder)
    return claim
