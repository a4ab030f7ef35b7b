"""The agreement of shadows with the versions whose requests they get copies of."""

from collections.abc import Mapping
from typing import Any

from shared.contract.alias import Alias
from shared.contract.model_ref import ModelRef
from shared.redis import keys
from shared.redis.clients import AsyncClient

COUNTS = ("images", "agree", "failed", "skipped")


async def read_shadows(client: AsyncClient, aliases: Mapping[str, Mapping[str, Alias]]) -> list[dict[str, Any]]:
    """Return the comparison of each version and its shadow in `aliases` (by model, then by alias).

    `images` counts the images that both classified, `agree` those with equal predictions. `differ` counts the others by
    both predictions, such as `3>5`. Raises Redis errors.
    """
    pairs = sorted(
        {
            (name, alias.version, alias.shadow)
            for name, named in aliases.items()
            for alias in named.values()
            if alias.shadow is not None and alias.shadow != alias.version
        }
    )
    if not pairs:
        return []
    async with client.pipeline(transaction=False) as pipeline:
        for pair in pairs:
            pipeline.hgetall(keys.shadow(*pair))
        stored = await pipeline.execute()
    return [
        {"version": str(ModelRef(name, version)), "shadow": str(ModelRef(name, shadow))} | describe_counts(fields)
        for (name, version, shadow), fields in zip(pairs, stored, strict=True)
    ]


def describe_counts(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Convert the hash `keys.shadow`, with the most frequent differences first. `agreement` is null without images."""
    counts = {field.decode(): int(count) for field, count in fields.items()}
    known = {name: counts.pop(name, 0) for name in COUNTS}
    differ = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    agreement = round(known["agree"] / known["images"], 6) if known["images"] else None
    return known | {"agreement": agreement, "differ": differ}
