"""How far what comes in, and what is answered, is from the data that a version was trained on.

The distance is Jensen and Shannon's, with logarithms to base 2: 0 for equal shares, 1 where nothing is shared; the
square root of their divergence, which makes it a metric (D. M. Endres, J. E. Schindelin: A new metric for probability
distributions, IEEE Transactions on Information Theory 49, 2003).

Few images are never shared out as many are. Without any drift, the divergence of n images, times 8 n ln 2, has very
nearly a chi-squared distribution, of one degree of freedom less than there are bins. So each distance has beside it the
one that so many images stay under by chance alone, in 999 of 1000 cases.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from api.versions.catalog import Catalog
from shared.contract.drift_histograms import BINS
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.redis import keys
from shared.redis.connection import Client

logger = logging.getLogger(__name__)

WINDOWS = 2  # of keys.DRIFT_WINDOW_S: this one and the one before
NORMAL_999 = 3.0902  # what a standard normal variable stays under in 999 of 1000 cases


def distance(counts: Sequence[int], reference: Sequence[float]) -> float:
    """Of the shares of `counts` from `reference`, shares in the same bins; 0 to 1."""
    total = sum(counts)
    divergence = 0.0
    for count, share in zip(counts, reference, strict=True):
        seen = count / total
        middle = (seen + share) / 2
        divergence += sum(part * math.log2(part / middle) / 2 for part in (seen, share) if part)
    return math.sqrt(min(1.0, max(0.0, divergence)))


def chance(images: int, reference: Sequence[float]) -> float:
    """The distance that so many images drawn from `reference` itself stay under in 999 of 1000 cases.

    The quantile of chi-squared is E. B. Wilson's and M. M. Hilferty's (PNAS 17, 1931).
    """
    freedom = sum(share > 0 for share in reference) - 1
    if freedom < 1:
        return 0.0
    ninth = 2 / (9 * freedom)
    chi_squared = freedom * (1 - ninth + NORMAL_999 * math.sqrt(ninth)) ** 3
    return min(1.0, math.sqrt(chi_squared / (8 * math.log(2) * images)))


def describe(counts: Mapping[str, Sequence[int]], reference: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Of one version, as clients see it. `distance` and `chance` are null where its card has no reference."""
    told: dict[str, Any] = {"images": sum(counts["predictions"])}
    for name, of in counts.items():
        images = sum(of)
        compared = reference.get(name) if images else None
        told[name] = {
            "distance": round(distance(of, compared), 4) if compared else None,
            "chance": round(chance(images, compared), 4) if compared else None,
            "shares": [round(count / max(1, images), 4) for count in of],
        }
    return told


def reference_of(card: Mapping[str, Any]) -> dict[str, list[float]]:
    """What a card has under `reference` that is a histogram in the bins of today; nothing where it has none."""
    stored = card.get("reference")
    return {
        name: shares
        for name, shares in (stored.items() if isinstance(stored, dict) else ())
        if isinstance(shares, list)
        and len(shares) == BINS.get(name)
        and all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares)
    }


async def read_drift(client: Client, catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Of each version that has answered anything in the last WINDOWS, by `name@version`. Raises redis' errors."""
    refs = [str(ModelRef(name, version)) for name, versions in catalog.models.items() for version in versions]
    window = keys.drift_window(time.time())
    async with client.pipeline(transaction=False) as pipeline:
        for ref in refs:
            for back in range(WINDOWS):
                pipeline.hgetall(keys.drift(ref, window - back))
        stored = await pipeline.execute()
    told: dict[str, dict[str, Any]] = {}
    for number, ref in enumerate(refs):
        counts = added_up(stored[number * WINDOWS : (number + 1) * WINDOWS])
        if any(counts["predictions"]):
            told[ref] = describe(counts, await _reference(catalog, ref))
    return told


def added_up(hashes: Sequence[Mapping[bytes, bytes]]) -> dict[str, list[int]]:
    """The counts of several hashes `keys.drift`, by histogram and bin."""
    return {
        name: [sum(int(fields.get(f"{name}:{number}".encode(), 0)) for fields in hashes) for number in range(bins)]
        for name, bins in BINS.items()
    }


async def _reference(catalog: Catalog, ref: str) -> dict[str, list[float]]:
    try:
        return reference_of(await catalog.card(ref))
    except ModelError as error:
        logger.error("drift of %s has nothing to be compared with: %s", ref, error)
        return {}
