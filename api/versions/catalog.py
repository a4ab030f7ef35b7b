"""What is in the registry, in memory: a request never waits for a disk or a network to learn of a version."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from api.periodic import repeat
from shared.errors import ModelError
from shared.models.registry import Registry, list_models, read_card

TICK_S = 1.0


class Catalog:
    """`watch` runs as a task: a version that appears is known within TICK_S, or when a remote registry lists it."""

    def __init__(self, registry: Registry) -> None:
        """Reads the registry. Raises ModelError."""
        self.registry = registry
        self._cards: dict[str, dict[str, Any]] = {}
        self.models: Mapping[str, Sequence[int]] = list_models(registry)  # versions by name, both in order

    def versions(self, name: str) -> Sequence[int]:
        """Oldest first; none of a name that is not there."""
        return self.models.get(name, ())

    async def card(self, ref: str) -> dict[str, Any]:
        """The card of `name@version` as it was when it was first asked for. Raises ModelError."""
        if ref not in self._cards:
            self._cards[ref] = await asyncio.to_thread(read_card, self.registry, ref)
        return self._cards[ref]

    async def watch(self) -> None:
        """Read the registry forever. What was read last stays valid while the registry cannot be read."""
        await repeat(self._read, TICK_S, "the registry cannot be read", (ModelError, OSError))

    async def _read(self) -> None:
        self.models = await asyncio.to_thread(list_models, self.registry)
