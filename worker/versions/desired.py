"""The desired versions in Redis: those that aliases name, and those that were requested before an alias changes."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from shared.contract.alias import ALIAS_CODEC, CHAMPION, Alias
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.telemetry.seldom import SeldomLog
from worker.watchdog import Pulse

logger = logging.getLogger(__name__)

TICK_S = 1.0  # between two reads, in case a message was lost


@dataclass(frozen=True)
class DesiredVersions:
    """The versions that workers should load. `aliases` are by `name/alias`, `requested` are `name@version`."""

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    requested: frozenset[str] = frozenset()

    @property
    def named(self) -> frozenset[str]:
        """Return the versions that any alias names, as `name@version`."""
        return frozenset(
            str(ModelRef(_name(field), version)) for field, alias in self.aliases.items() for version in alias.versions
        )

    @functools.cached_property
    def shadows(self) -> Mapping[str, tuple[str, ...]]:
        """Return the shadows of each version: they get copies of the images that the version has answered."""
        shadows: dict[str, tuple[str, ...]] = {}
        for field_name, alias in sorted(self.aliases.items()):
            name = _name(field_name)
            if alias.shadow is not None and alias.shadow != alias.version:
                answered, shadow = str(ModelRef(name, alias.version)), str(ModelRef(name, alias.shadow))
                shadows[answered] = tuple(dict.fromkeys((*shadows.get(answered, ()), shadow)))
        return shadows

    def meaning(self, ref: str) -> str | None:
        """Return the version that `name` or `name@alias` means, as `name@version`, or None if no alias says it."""
        wanted = ModelRef.parse(ref)
        alias = self.aliases.get(f"{wanted.name}/{wanted.label or CHAMPION}")
        return None if alias is None else str(ModelRef(wanted.name, alias.version))


def read_desired(client: SyncClient, clock: RedisClock) -> DesiredVersions:
    """Read the desired versions, and measure `clock`. Skips aliases that cannot be read. Raises redis' errors.

    Raises an error, too, if this Redis is not the master any more.
    """
    sent_s = time.monotonic()
    clock.measured(client.time(), sent_s)
    with client.pipeline(transaction=False) as pipeline:
        pipeline.delete(keys.NEVER_SET)  # a write, which a former master refuses
        pipeline.hgetall(keys.ALIASES)
        pipeline.zrangebyscore(keys.DESIRED, clock.now_s(), "+inf")
        _, stored, requested = pipeline.execute()
    aliases: dict[str, Alias] = {}
    for key, value in stored.items():
        try:
            aliases[key.decode()] = ALIAS_CODEC.decode(value)
        except ModelError as error:
            logger.error("alias %r: %s", key, error)
    return DesiredVersions(aliases, frozenset(ref.decode() for ref in requested))


@dataclass(eq=False)
class Listener:
    """Keeps `desired` and `clock` up to date in its own thread (`listen`), and calls `changed` after each change."""

    connect: Callable[[], SyncClient]
    desired: DesiredVersions
    clock: RedisClock
    changed: Callable[[], None]
    stopping: threading.Event
    pulse: Pulse
    _seldom: SeldomLog = field(init=False, default_factory=lambda: SeldomLog(logger))

    def listen(self) -> None:
        """Listen until `stopping` is set, and reconnect when Redis was unreachable."""
        while not self.stopping.is_set():
            try:
                self._listen_once()
            except RedisError as error:
                self._seldom.log(logging.WARNING, f"aliases cannot be listened for: {error}")
                self.stopping.wait(TICK_S)

    def _listen_once(self) -> None:
        with self.connect() as client, client.pubsub() as pubsub:
            pubsub.subscribe(keys.ALIASES_CHANNEL)
            while not self.stopping.is_set():
                with self.pulse:
                    desired = read_desired(client, self.clock)
                if desired != self.desired:
                    self.desired = desired
                    self.changed()
                pubsub.get_message(timeout=TICK_S)


def _name(field_name: str) -> str:
    return field_name.partition("/")[0]
