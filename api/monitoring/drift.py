"""The distance of a version's inputs and predictions from those of its training data.

It is the Jensen-Shannon distance with logarithms to base 2: 0 for equal distributions, 1 for disjoint ones. It is the
square root of the divergence, which makes it a metric (D. M. Endres, J. E. Schindelin: A new metric for probability
distributions, IEEE Transactions on Information Theory 49, 2003).

A small sample differs from its distribution by chance. Without drift, the divergence of n images, times 8 n ln 2, has
nearly a chi-squared distribution with one degree of freedom less than there are bins. Therefore each distance comes
with `chance`: the distance that n images do not exceed by chance in 999 of 1000 cases.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from api.versions.catalog import Catalog
from shared.contract.drift_histograms import BINS, bins_of
from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import spec_of
from shared.errors import ModelError
from shared.redis import keys
from shared.redis.clients import AsyncClient

logger = logging.getLogger(__name__)

WINDOWS = 2  # the current window of keys.DRIFT_WINDOW_S and the previous one
NORMAL_999 = 3.0902  # the 99.9th percentile of the standard normal distribution


def distance(counts: Sequence[int], reference: Sequence[float]) -> float:
    """Return the distance from 0 to 1 between the shares of `counts` and the shares `reference` of the same bins."""
    total = sum(counts)
    divergence = 0.0
    for count, share in zip(counts, reference, strict=True):
        seen = count / total
        middle = (seen + share) / 2
        divergence += sum(part * math.log2(part / middle) / 2 for part in (seen, share) if part)
    return math.sqrt(min(1.0, max(0.0, divergence)))


def chance(images: int, reference: Sequence[float]) -> float:
    """Return the distance that images drawn from `reference` itself do not exceed in 999 of 1000 cases.

    The quantile of chi-squared is approximated as by E. B. Wilson and M. M. Hilferty (PNAS 17, 1931).
    """
    freedom = sum(share > 0 for share in reference) - 1
    if freedom < 1:
        return 0.0
    ninth = 2 / (9 * freedom)
    chi_squared = freedom * (1 - ninth + NORMAL_999 * math.sqrt(ninth)) ** 3
    return min(1.0, math.sqrt(chi_squared / (8 * math.log(2) * images)))


def describe(counts: Mapping[str, Sequence[int]], reference: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the JSON of one version's drift. `distance` and `chance` are null if its card has no reference."""
    described: dict[str, Any] = {"images": max(map(sum, counts.values()))}
    for name, of in counts.items():
        images = sum(of)
        compared = reference.get(name) if images else None
        described[name] = {
            "distance": round(distance(of, compared), 4) if compared else None,
            "chance": round(chance(images, compared), 4) if compared else None,
            "shares": [round(count / max(1, images), 4) for count in of],
        }
    return described


def reference_of(card: ModelCard, bins: Mapping[str, int] = BINS) -> dict[str, list[float]]:
    """Return the card's reference histograms that match the current `bins`."""
    stored = card.get("reference")
    return {
        name: shares
        for name, shares in (stored.items() if isinstance(stored, dict) else ())
        if isinstance(shares, list)
        and len(shares) == bins.get(name)
        and all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares)
    }


async def read_drift(client: AsyncClient, catalog: Catalog, now_s: float) -> dict[str, dict[str, Any]]:
    """Return the drift of each version with results in the last WINDOWS, by `name@version`. Raises Redis errors."""
    refs = [str(ModelRef(name, version)) for name, versions in catalog.models.items() for version in versions]
    window = keys.drift_window(now_s)
    async with client.pipeline(transaction=False) as pipeline:
        for ref in refs:
            for back in range(WINDOWS):
                pipeline.hgetall(keys.drift(ref, window - back))
        stored = await pipeline.execute()
    drift: dict[str, dict[str, Any]] = {}
    for number, ref in enumerate(refs):
        hashes = stored[number * WINDOWS : (number + 1) * WINDOWS]
        if any(hashes):
            bins, reference = await _bins_and_reference(catalog, ref)
            drift[ref] = describe(sum_counts(hashes, bins), reference)
    return drift


def sum_counts(hashes: Sequence[Mapping[bytes, bytes]], bins: Mapping[str, int] = BINS) -> dict[str, list[int]]:
    """Sum the counts of several hashes `keys.drift`, by histogram and bin."""
    return {
        name: [sum(int(fields.get(f"{name}:{number}".encode(), 0)) for fields in hashes) for number in range(count)]
        for name, count in bins.items()
    }


async def _bins_and_reference(catalog: Catalog, ref: str) -> tuple[Mapping[str, int], dict[str, list[float]]]:
    try:
        card = await catalog.card(ref)
        spec = spec_of(card)
    except ModelError as error:
        logger.error("drift of %s cannot be computed, its card is not readable: %s", ref, error)
        return BINS, {}
    bins = bins_of(spec.array_shape, len(spec.labels))
    return bins, reference_of(card, bins)
