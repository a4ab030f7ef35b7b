"""What the workers did lately, all of them together, as `/status` tells it: from their last heartbeats."""

from collections.abc import Sequence
from typing import Any

from shared.contract.heartbeat import LiveWorker
from shared.contract.lane import LANES
from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, quantile

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def describe_recent(workers: Sequence[LiveWorker]) -> dict[str, Any]:
    """Between the last two heartbeats of each worker, which are seconds apart. Times are null where there was nothing.

    `queue_ms` counts images, `model_ms` batches; both are read out of buckets (shared/telemetry/prometheus.py).
    """
    told = [worker.recent for worker in workers if worker.recent is not None]
    return {
        "images_per_s": round(sum(one.images / one.seconds for one in told), 1),
        "batches_per_s": round(sum(one.batches / one.seconds for one in told), 1),
        "batch_images": _by_size(_added_up([one.batch_images for one in told])),
        "queue_ms": {lane: _quantiles_ms([one.queue_s[lane] for one in told]) for lane in LANES},
        "model_ms": _quantiles_ms([one.model_s for one in told]),
    }


def _by_size(counts: Sequence[int]) -> dict[str, int]:
    """Batches of up to so many images, and of more than the size before."""
    return {str(size): count for size, count in zip(BATCH_IMAGES, counts, strict=False) if count}


def _quantiles_ms(counts: Sequence[Sequence[int]]) -> dict[str, float] | None:
    summed = _added_up(counts)
    quantiles = {name: quantile(SECONDS, summed, share) for name, share in SHARES.items()}
    told = {name: round(value * 1e3, 3) for name, value in quantiles.items() if value is not None}
    return told or None


def _added_up(counts: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)]
