"""Aliases of model versions: which version a name means, and who else gets a share of its requests or a copy of them.

They are kept in Redis (`keys.ALIASES`), so that every API process and worker sees a change at once. `latest` is worked
out from the registry and never set. A name alone means its `champion`, and its latest version where there is none.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import ModelError

CHAMPION = "champion"
LATEST = "latest"
NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Alias:
    """`canary_percent` of the requests go to `canary`, the others to `version`; `shadow` is given copies of what
    `version` has answered, and its answers are compared and counted, never returned.
    """

    version: int
    canary: int | None = None
    canary_percent: float = 0.0
    shadow: int | None = None

    @property
    def versions(self) -> frozenset[int]:
        """All that workers must have loaded for it."""
        return frozenset(number for number in (self.version, self.canary, self.shadow) if number is not None)

    def choose(self, draw: float) -> int:
        """The version of one request; `draw` is uniform in [0, 1)."""
        if self.canary is not None and draw * 100 < self.canary_percent:
            return self.canary
        return self.version


def encode_alias(alias: Alias) -> bytes:
    """JSON, as `decode_alias` reads it and as clients see it."""
    return orjson.dumps(alias)


def decode_alias(data: bytes) -> Alias:
    """Raises ModelError for what `encode_alias` would not write."""
    try:
        fields: Any = orjson.loads(data)
        return make_alias(**fields)
    except (TypeError, ValueError) as error:
        raise ModelError(f"not an alias: {error}") from None


def make_alias(version: object, canary: object = None, canary_percent: object = 0.0, shadow: object = None) -> Alias:
    """Raises ValueError, naming the field and what was expected of it."""
    if (
        not isinstance(canary_percent, int | float)
        or isinstance(canary_percent, bool)
        or not 0 <= canary_percent <= 100
    ):
        raise ValueError(f"canary_percent is {canary_percent!r}, expected 0 to 100")
    if canary is None and canary_percent:
        raise ValueError(f"canary_percent is {canary_percent!r}, but no canary is named")
    return Alias(
        _version("version", version),
        None if canary is None else _version("canary", canary),
        float(canary_percent),
        None if shadow is None else _version("shadow", shadow),
    )


def _version(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{field} is {value!r}, expected the number of a version")
    return value
