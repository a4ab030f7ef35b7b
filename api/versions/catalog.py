"""The list of versions in the registry, in memory, so that requests do not wait for a disk or a network."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from api.periodic import repeat
from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import ModelSpec, spec_of
from shared.errors import ModelError
from shared.models.registry import Registry, list_again, list_models, read_card

logger = logging.getLogger(__name__)

TICK_S = 1.0


class Catalog:
    """The catalogue. `watch` runs as a task. It finds new versions within TICK_S, remote ones once they are listed."""

    def __init__(self, registry: Registry) -> None:
        """Read the registry. Raises ModelError."""
        self.registry = registry
        self._cards: dict[str, ModelCard] = {}
        self._specs: dict[str, ModelSpec] = {}
        self._mnist_specs: dict[str, ModelSpec] = {}
        self._unreadable: set[str] = set()
        self.models: Mapping[str, Sequence[int]] = list_models(registry)  # versions by name, both in order
        self._read_new_cards(self.models)

    def versions(self, name: str) -> Sequence[int]:
        """Return the versions of a model, oldest first. Returns an empty sequence for an unknown model."""
        return self.models.get(name, ())

    async def card(self, ref: str) -> ModelCard:
        """Return the card of `name@version`, which is read once and then cached. Raises ModelError."""
        if ref not in self._cards:
            self._cards[ref] = await asyncio.to_thread(read_card, self.registry, ref)
        return self._cards[ref]

    async def spec(self, ref: str) -> ModelSpec:
        """Return what the card of `name@version` says about images and labels. Raises ModelError."""
        return self._specs.get(ref) or self._add_spec(ref, await self.card(ref))

    def _add_spec(self, ref: str, card: ModelCard) -> ModelSpec:
        spec = self._specs[ref] = spec_of(card)
        if spec.is_mnist_shaped:
            self._mnist_specs[ref] = spec
        return spec

    def known_mnist_spec(self, ref: str) -> ModelSpec | None:
        """Return the spec of a version that the routes under `/mnist` serve, if `spec` has read it before."""
        return self._mnist_specs.get(ref)

    def other_specs(self) -> dict[str, ModelSpec]:
        """Return the specs of the versions that the routes under `/mnist` do not serve, if they have been read."""
        return {ref: spec for ref, spec in sorted(self._specs.items()) if not spec.is_mnist_shaped}

    async def watch(self) -> None:
        """Read the registry forever. While it cannot be read, the last reading stays valid."""
        await repeat(self._read, TICK_S, "the registry cannot be read", (ModelError, OSError))

    async def _read(self) -> None:
        models = await asyncio.to_thread(self._read_now)
        if models != self.models:  # the fast path compares it by identity
            self.models = models

    def _read_now(self) -> Mapping[str, Sequence[int]]:
        models = list_again(self.registry, self.models)
        self._read_new_cards(models)
        return models

    def _read_new_cards(self, models: Mapping[str, Sequence[int]]) -> None:
        """Read the cards of new versions ahead, so that no request waits for them. Behind a URL, each is a download."""
        if not isinstance(self.registry, Path):
            return
        known = self._specs.keys() | self._unreadable
        for name, versions in models.items():
            for ref in (str(ModelRef(name, version)) for version in versions):
                if ref in known:
                    continue
                try:
                    self._cards[ref] = read_card(self.registry, ref)
                    self._add_spec(ref, self._cards[ref])
                except ModelError as error:
                    self._unreadable.add(ref)  # a request for the version tries again
                    logger.warning("the card of %s: %s", ref, error)
