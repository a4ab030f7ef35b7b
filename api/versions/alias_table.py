"""Which version a request means: the table of aliases in memory, as Redis last told it, and the choice by it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from redis.exceptions import RedisError

from shared.contract.alias import ALIAS_CODEC, CHAMPION, LATEST, Alias
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError, NotFound, Unavailable
from shared.redis import keys
from shared.redis.connection import Client

logger = logging.getLogger(__name__)

Table = Mapping[str, Mapping[str, Alias]]  # by model, then by the alias's own name

NO_CANARY = 1.0  # a draw that no share reaches
NO_ALIASES: Mapping[str, Alias] = {}


def choose_version(
    ref: ModelRef, models: Mapping[str, Sequence[int]], aliases: Mapping[str, Alias], draw: float = NO_CANARY
) -> int:
    """The version that `name`, `name@3`, `name@latest` or `name@alias` means.

    `models` has the versions of every name, oldest first, `aliases` are this name's; `draw` is uniform in [0, 1). An
    alias is believed, also when it names a version that the registry has only just got. Raises NotFound.
    """
    alias = None if isinstance(ref.label, int) else aliases.get(ref.label or CHAMPION)
    if alias is not None:
        return alias.choose(draw)
    versions = models.get(ref.name, ())
    if not versions:
        raise NotFound(f"no model {ref.name!r}; there: {', '.join(models) or 'none'}")
    if ref.label in ("", LATEST):
        return versions[-1]
    if ref.label in versions:
        return ref.version
    there = ", ".join([*map(str, versions), LATEST, *aliases])
    raise NotFound(f"no version {str(ref.label)!r} of model {ref.name!r}; there: {there}")


def needs_aliases(ref: ModelRef) -> bool:
    """Whether what `ref` means is a matter of aliases."""
    return not ref.is_version and ref.label != LATEST


def decode_table(fields: Mapping[bytes, bytes]) -> Table:
    """The hash `keys.ALIASES`. What is no alias is left out, loudly: the others count."""
    table: dict[str, dict[str, Alias]] = {}
    for field, data in sorted(fields.items()):
        model, _, alias = field.decode(errors="replace").partition("/")
        try:
            table.setdefault(model, {})[alias] = ALIAS_CODEC.decode(data)
        except ModelError as error:
            logger.error("%s in Redis: %s", field, error)
    return table


class Aliases:
    """`watch` runs as a task. While Redis is away the table is as it was."""

    def __init__(self, client: Client, changed: asyncio.Event) -> None:
        """`changed` is set whenever the table may have changed."""
        self._client = client
        self._changed = changed
        self._reading = asyncio.Lock()  # two readings that overtake each other would leave the older one
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """Raises Unavailable before it was read for the first time: nothing may be served by a guess."""
        if self._table is None:
            raise Unavailable("the aliases have not been read yet: Redis is unreachable", "redis")
        return self._table

    def of(self, model: str) -> Mapping[str, Alias]:
        """The aliases of one model. Raises Unavailable."""
        return self.table.get(model, NO_ALIASES)

    async def read(self) -> None:
        """Raises redis' errors."""
        async with self._reading:
            self._table = decode_table(await self._client.hgetall(keys.ALIASES))

    async def try_to_read(self) -> None:
        try:
            await self.read()
        except (RedisError, OSError) as error:
            logger.warning("aliases cannot be read: %s", error)

    async def watch(self) -> None:
        """Never returns."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.try_to_read()
