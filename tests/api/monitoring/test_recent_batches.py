"""The recent work of all workers, summed over their heartbeats."""

import pytest

from api.monitoring.recent_batches import describe_recent
from shared.contract.heartbeat import LiveWorker, Recent
from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, Histogram
from tests.support.heartbeats import live_worker


def worker(images: int, seconds: float, queue_s: float, batch_images: int) -> LiveWorker:
    """Return the work of batches of `batch_images`, all interactive."""
    batches = images // batch_images
    sizes, waited, model = Histogram(BATCH_IMAGES), Histogram(SECONDS), Histogram(SECONDS)
    sizes.add(batch_images, batches)
    waited.add(queue_s, images)
    model.add(0.002, batches)
    recent = Recent(
        seconds=seconds,
        batches=batches,
        images=images,
        batch_images=sizes.counts,
        model_s=model.counts,
        queue_s={"interactive": waited.counts, "bulk": Histogram(SECONDS).counts},
    )
    return live_worker(recent=recent)


def test_rates_of_workers_with_different_intervals_are_summed() -> None:
    recent = describe_recent([worker(100, 2.5, 0.001, 10), worker(300, 2.0, 0.001, 30)])
    assert recent["images_per_s"] == 190.0
    assert recent["batches_per_s"] == 9.0


def test_batches_are_counted_by_their_size_bucket() -> None:
    assert describe_recent([worker(90, 1, 0.001, 30), worker(100, 1, 0.001, 1)])["batch_images"] == {"1": 100, "32": 3}


def test_quantiles_are_of_all_workers_images() -> None:
    """One in ten waited for long."""
    recent = describe_recent([worker(900, 1, 0.0011, 9), worker(100, 1, 0.9, 10)])
    waited_ms = recent["queue_ms"]["interactive"]
    assert 1 < waited_ms["p50"] <= 2
    assert 500 < waited_ms["p95"] <= 1000
    assert recent["model_ms"]["p50"] == pytest.approx(1.5, abs=0.5)


def test_nothing_has_no_times() -> None:
    idle = worker(0, 2.5, 0.001, 1)
    for recent in (
        describe_recent([]),
        describe_recent([idle]),
        describe_recent([live_worker("of an older version", recent=None)]),
    ):
        assert recent == {
            "images_per_s": 0.0,
            "batches_per_s": 0.0,
            "batch_images": {},
            "queue_ms": {"interactive": None, "bulk": None},
            "model_ms": None,
        }
