"""The health of Redis: whether it accepts writes now and keeps them, and whether its counters fit the streams."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from redis.exceptions import RedisError, ResponseError

from api.http.responses import redis_unavailable
from api.periodic import repeat
from api.queue.redis_wire import Wires
from api.queue.wakeups import Wakeups
from shared.config.api_keys import ApiKey
from shared.contract.lane import LANES
from shared.errors import Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.connection import reopen_connections
from shared.redis.errors import ends_connection, explain, meaning_of, passes
from shared.redis.permissions import find_refusal, rehearsal
from shared.redis.script import Script
from shared.telemetry.seldom import SeldomLog

logger = logging.getLogger(__name__)

TICK_S = 1.0
RECOUNT_INTERVAL_S = 5.0
REFUSED_S = 5.0  # for this long after a request met a refused command, the process is not ready
NO_EVICTION = "noeviction"
REHEARSAL = rehearsal("api")
QUEUED_FIELDS = ("bytes", *map(str, range(keys.SHARDS)))
# Counters of entries that Redis has lost, for example by eviction, would refuse images for ever.
RECOUNT = Script(
    "RECOUNT",
    """
local counter, deferred = unpack(KEYS, 1, 2)
local images = unpack(ARGV, 1, 1)
if redis.call('EXISTS', deferred) == 1 then -- deferred entries still count
  return 0
end
for index = 3, #KEYS do
  if redis.call('XLEN', KEYS[index]) > 0 then
    return 0
  end
end
local counted = redis.call('HGET', counter, images)
redis.call('HDEL', counter, images, unpack(ARGV, 2))
return tonumber(counted or 0)
""",
)


class RedisHealth:
    """Checks Redis over both kinds of connections of this process. `watch` runs as a task.

    `models` returns the names of all models.
    """

    def __init__(
        self,
        client: AsyncClient,
        wires: Wires,
        wakeups: Wakeups,
        models: Callable[[], Iterable[str]],
        api_keys: Sequence[ApiKey],
    ) -> None:
        self._client = client
        self._wires = wires
        self._wakeups = wakeups
        self._models = models
        self._api_keys = api_keys
        self._fault = ""
        self._recounted_s = -RECOUNT_INTERVAL_S
        self._seldom = SeldomLog(logger)
        self._refused: tuple[float, str] = (-REFUSED_S, "")

    def unavailable(self, error: Exception) -> Unavailable:
        """Return the 503 for an error of Redis that a request met. The log has the text of errors that need a person.

        If Redis has refused a command, this process is not ready for REFUSED_S. `require` finds a refused login itself.
        """
        refusal = redis_unavailable(error)
        meaning = meaning_of(error)
        if meaning in ("refuse", "fail"):
            self._seldom.log(logging.ERROR, f"Redis: {error!r}: {error}")
        if meaning == "refuse" and not ends_connection(error):
            self._refused = (time.monotonic(), refusal.detail)
        return refusal

    async def require(self) -> None:
        """Raise RedisError if Redis accepts no writes now, and Unavailable if it may delete what it accepted.

        Raises Unavailable, too, if it has just refused a command of a request.
        """
        if fault := await self._check() or await self._rehearse():
            raise Unavailable(fault, "redis")

    async def fault(self) -> str:
        """Return why Redis cannot be trusted with images now, or an empty string. Raises RedisError if it is away."""
        try:
            return await self._check() or await self._rehearse()
        except RedisError as error:
            if meaning_of(error) != "wait":
                raise
            return explain(error)

    async def watch(self) -> None:
        """Check Redis forever, so that idle connections to a former master are opened again."""
        await repeat(self._check_and_recount, TICK_S, "Redis accepts no writes")

    async def _check(self) -> str:
        """Write over both kinds of connections, and return what is wrong nevertheless, or an empty string.

        If this Redis is not the master any more, all connections are closed. The next commands open new ones.
        """
        try:
            await self._wires.ask(*keys.WRITE_CHECK)
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.execute_command(*keys.WRITE_CHECK)
                pipeline.info("memory")
                written, memory = await pipeline.execute(raise_on_error=False)
            if isinstance(written, RedisError):
                raise written
        except RedisError as error:
            if ends_connection(error):
                await reopen_connections(self._client)
            raise
        refused_s, detail = self._refused
        if time.monotonic() - refused_s < REFUSED_S:
            return detail
        if isinstance(memory, ResponseError):  # our Redis user lacks the permission
            return ""
        policy = str(memory.get("maxmemory_policy", NO_EVICTION))
        return "" if policy == NO_EVICTION else eviction_fault(policy)

    async def _rehearse(self) -> str:
        """Try each command that the API needs, and return why not all work, or an empty string. The log names one."""
        refusal = self._wakeups.refusal or find_refusal(await self._wires.ask("EVAL", *REHEARSAL))
        if refusal is None:
            return ""
        self._seldom.log(logging.ERROR, f"Redis: {refusal}")
        return explain(refusal)

    async def _check_and_recount(self) -> None:
        fault = await self._check()
        if fault and fault != self._fault:
            logger.error("%s", fault)
        self._fault = fault
        if time.monotonic() - self._recounted_s >= RECOUNT_INTERVAL_S:
            await self._recount()
            await self._rehearse()
            self._recounted_s = time.monotonic()

    async def _recount(self) -> None:
        """Reset the counters of lanes without entries, and those of API keys if no lane has entries."""
        streams = {(model, lane): keys.streams(model, lane) for model in self._models() for lane in LANES}
        all_streams = [stream for some in streams.values() for stream in some]
        counters = [(keys.queued(*lane), some, QUEUED_FIELDS) for lane, some in streams.items()]
        counters += [(keys.client(key.name), all_streams, ()) for key in self._api_keys]
        if not counters:
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for counter, some, fields in counters:
                call = RECOUNT(
                    counter=counter, deferred=keys.DEFERRED, more_keys=some, images="images", more_args=fields
                )
                pipeline.eval(*call)
            found = await pipeline.execute(raise_on_error=False)
        for (counter, _, _), images in zip(counters, found, strict=True):
            if isinstance(images, RedisError):
                if passes(images):
                    raise images
                self._seldom.log(logging.ERROR, f"{counter} or its streams cannot be read: {images}")
            elif images:
                logger.warning("%s counted %d images, but Redis has none of them: the count is 0 now", counter, images)


def eviction_fault(policy: str) -> str:
    return (
        f"Redis may delete accepted images, because its maxmemory-policy is {policy}: "
        f"set maxmemory-policy to {NO_EVICTION} (CONFIG SET, and in its configuration file)"
    )
