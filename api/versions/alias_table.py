"""The table of aliases in memory, and the choice of the version for a request."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from redis.exceptions import RedisError

from shared.contract.alias import ALIAS_CODEC, CHAMPION, LATEST, Alias
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError, NotFound, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient

logger = logging.getLogger(__name__)

Table = Mapping[str, Mapping[str, Alias]]  # aliases by model and name

NO_CANARY = 1.0  # a draw that never selects a canary
NO_ALIASES: Mapping[str, Alias] = {}


def choose_version(
    ref: ModelRef, models: Mapping[str, Sequence[int]], aliases: Mapping[str, Alias], draw: float = NO_CANARY
) -> int:
    """Return the version that `name`, `name@3`, `name@latest` or `name@alias` refers to.

    `models` has the versions of each name, oldest first. `aliases` are those of this name. `draw` is a random number in
    [0, 1) that selects a canary. The version of an alias need not be in `models`, which may be older. Raises NotFound.
    """
    alias = None if isinstance(ref.label, int) else aliases.get(ref.label or CHAMPION)
    if alias is not None:
        return alias.choose(draw)
    versions = models.get(ref.name, ())
    if not versions:
        raise NotFound(f"no model {ref.name!r}; available: {', '.join(models) or 'none'}")
    if ref.label in ("", LATEST):
        return versions[-1]
    if ref.label in versions:
        return ref.version
    there = ", ".join([*map(str, versions), LATEST, *aliases])
    raise NotFound(f"no version {str(ref.label)!r} of model {ref.name!r}; available: {there}")


def needs_aliases(ref: ModelRef) -> bool:
    """Return whether the version of `ref` depends on aliases."""
    return not ref.is_version and ref.label != LATEST


def decode_table(fields: Mapping[bytes, bytes]) -> Table:
    """Decode the hash `keys.ALIASES`. Logs and skips invalid aliases."""
    table: dict[str, dict[str, Alias]] = {}
    for field, data in sorted(fields.items()):
        model, _, alias = field.decode(errors="replace").partition("/")
        try:
            table.setdefault(model, {})[alias] = ALIAS_CODEC.decode(data)
        except ModelError as error:
            logger.error("%s in Redis: %s", field, error)
    return table


class Aliases:
    """The aliases as last read from Redis. `watch` runs as a task."""

    def __init__(self, client: AsyncClient, changed: asyncio.Event) -> None:
        """Initialize an empty table. `changed` is set whenever aliases may have changed."""
        self._client = client
        self._changed = changed
        self._reading = asyncio.Lock()  # keeps an older reading from replacing a newer one
        self.known: Table | None = None  # None before the first reading

    @property
    def table(self) -> Table:
        """The table. Raises Unavailable before the first reading, because no version may be guessed."""
        if self.known is None:
            raise Unavailable("the aliases have not been read yet: Redis is unreachable", "redis")
        return self.known

    def of(self, model: str) -> Mapping[str, Alias]:
        """Return the aliases of a model. Raises Unavailable."""
        return self.table.get(model, NO_ALIASES)

    async def read(self) -> None:
        """Read the table from Redis. Raises RedisError."""
        async with self._reading:
            self.known = decode_table(await self._client.hgetall(keys.ALIASES))

    async def try_to_read(self) -> None:
        try:
            await self.read()
        except (RedisError, OSError) as error:
            logger.warning("aliases cannot be read: %s", error)

    async def watch(self) -> None:
        """Read the table after each change, forever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.try_to_read()
