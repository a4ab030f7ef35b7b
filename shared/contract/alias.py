"""Aliases of model versions, and the record of each change.

An alias says which version a name means, which version gets a share of the requests, and which one gets copies of them.
Aliases are kept in Redis (`keys.ALIASES`), so that every API process and worker sees a change at once. `latest` follows
from the registry and is never set. A bare name means its `champion`, or its latest version if it has no champion.
"""

import re
from typing import Annotated

import msgspec

from shared.contract.codecs import JsonCodec
from shared.errors import ModelError

CHAMPION = "champion"
LATEST = "latest"
NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
CHANGES_KEPT = 10_000

Version = Annotated[int, msgspec.Meta(ge=1)]


class Alias(msgspec.Struct, frozen=True):
    """`canary` gets `canary_percent` of the requests, and `version` gets the rest.

    `shadow` gets copies of what `version` has answered. Its answers are compared and counted, never returned.
    """

    version: Version
    canary: Version | None = None
    canary_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    shadow: Version | None = None

    def __post_init__(self) -> None:
        if self.canary is None and self.canary_percent:
            raise ValueError(f"canary_percent is {self.canary_percent!r}, but no canary is named")

    @property
    def versions(self) -> frozenset[int]:
        """Return every version that workers must have loaded for this alias."""
        return frozenset(number for number in (self.version, self.canary, self.shadow) if number is not None)

    def choose(self, draw: float) -> int:
        """Return the version for one request. `draw` is uniform in [0, 1)."""
        if self.canary is not None and draw * 100 < self.canary_percent:
            return self.canary
        return self.version


class AliasChange(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """One change of the `alias` of `model`. `by` is the API key, `from` the old meaning and `to` the new meaning.

    `to` is null if the alias was deleted, and `by` is null without API keys. `at_ms` is unix time. `forced` is set if
    the quality gate was overruled.
    """

    at_ms: int
    by: str | None
    model: str
    alias: str
    before: Alias | None = None
    after: Alias | None
    reason: str = ""
    forced: bool = False

    @property
    def field(self) -> str:
        """Return the field of the alias in the hash `keys.ALIASES`."""
        return f"{self.model}/{self.alias}"


ALIAS_CODEC = JsonCodec(Alias, "an alias", ModelError)
CHANGE_CODEC = JsonCodec(AliasChange, "a change of an alias")


def readable_alias(data: bytes | None) -> Alias | None:
    """Return the alias, or None if there is none or it cannot be read."""
    try:
        return None if data is None else ALIAS_CODEC.decode(data)
    except ModelError:
        return None
