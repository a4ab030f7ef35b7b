"""The list of versions in the registry, in memory, so that requests do not wait for a disk or a network."""

import asyncio
from collections.abc import Mapping, Sequence

from api.periodic import repeat
from shared.contract.model_card import ModelCard
from shared.errors import ModelError
from shared.models.registry import Registry, list_models, read_card

TICK_S = 1.0


class Catalog:
    """The catalogue. `watch` runs as a task. It finds new versions within TICK_S, remote ones once they are listed."""

    def __init__(self, registry: Registry) -> None:
        """Read the registry. Raises ModelError."""
        self.registry = registry
        self._cards: dict[str, ModelCard] = {}
        self.models: Mapping[str, Sequence[int]] = list_models(registry)  # versions by name, both in order

    def versions(self, name: str) -> Sequence[int]:
        """Return the versions of a model, oldest first. Returns an empty sequence for an unknown model."""
        return self.models.get(name, ())

    async def card(self, ref: str) -> ModelCard:
        """Return the card of `name@version`, which is read once and then cached. Raises ModelError."""
        if ref not in self._cards:
            self._cards[ref] = await asyncio.to_thread(read_card, self.registry, ref)
        return self._cards[ref]

    async def watch(self) -> None:
        """Read the registry forever. While it cannot be read, the last reading stays valid."""
        await repeat(self._read, TICK_S, "the registry cannot be read", (ModelError, OSError))

    async def _read(self) -> None:
        self.models = await asyncio.to_thread(list_models, self.registry)
