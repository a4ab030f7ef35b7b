"""The recent work of all workers for `/status`, summed over their last heartbeats."""

from collections.abc import Sequence
from typing import Any

from shared.contract.heartbeat import LiveWorker
from shared.contract.lane import LANES
from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, quantile

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def describe_recent(workers: Sequence[LiveWorker]) -> dict[str, Any]:
    """Sum the work between the last two heartbeats of each worker. Times are null if there was no work.

    `queue_ms` is over images, `model_ms` over batches. Both are estimated from histogram buckets.
    """
    recent = [worker.recent for worker in workers if worker.recent is not None]
    return {
        "images_per_s": round(sum(part.images / part.seconds for part in recent), 1),
        "batches_per_s": round(sum(part.batches / part.seconds for part in recent), 1),
        "batch_images": _by_size(_sum_columns([part.batch_images for part in recent])),
        "queue_ms": {lane: _quantiles_ms([part.queue_s[lane] for part in recent]) for lane in LANES},
        "model_ms": _quantiles_ms([part.model_s for part in recent]),
    }


def _by_size(counts: Sequence[int]) -> dict[str, int]:
    """Return the number of batches by their size, rounded up to a bucket."""
    return {str(size): count for size, count in zip(BATCH_IMAGES, counts, strict=False) if count}


def _quantiles_ms(counts: Sequence[Sequence[int]]) -> dict[str, float] | None:
    summed = _sum_columns(counts)
    quantiles = {name: quantile(SECONDS, summed, share) for name, share in SHARES.items()}
    rounded = {name: round(value * 1e3, 3) for name, value in quantiles.items() if value is not None}
    return rounded or None


def _sum_columns(counts: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)]
