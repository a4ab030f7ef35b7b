"""A worker's numbers: every batch is counted, and a heartbeat reports the work since the previous one."""

import threading

import pytest

from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, Histogram
from worker.reporting.batch_report import BatchPart, BatchReport
from worker.reporting.heartbeat import recent
from worker.reporting.metrics import Metrics


def batch(model: str = "cnn@1", interactive: int = 3, bulk: int = 5) -> BatchReport:
    """4 ms of queue for the interactive images, 300 ms for the others; 1.5 ms of model."""
    return BatchReport(
        model=model,
        images=interactive + bulk,
        interactive=interactive,
        failed=1,
        started_s=100.0,
        finished_s=100.1,
        model_ms=1.5,
        parts=[BatchPart("interactive", interactive, 4.0), BatchPart("bulk", bulk, 300.0)],
    )


def counts_of(bounds: tuple[float, ...], *values: tuple[float, int]) -> list[int]:
    histogram = Histogram(bounds)
    for value, times in values:
        histogram.add(value, times)
    return histogram.counts


def test_batches_of_all_models_are_added_up() -> None:
    metrics = Metrics()
    for model in ("cnn@1", "cnn@2"):
        metrics.count(batch(model))
    totals = metrics.totals()
    assert (totals.batches, totals.images, totals.failed) == (2, 16, 2)
    assert totals.batch_images == counts_of(BATCH_IMAGES, (8, 2))
    assert totals.model_s == counts_of(SECONDS, (0.0015, 2))


def test_time_in_the_queue_is_counted_in_images_by_lane() -> None:
    metrics = Metrics()
    metrics.count(batch())
    assert metrics.totals().queue_s == {
        "interactive": counts_of(SECONDS, (0.004, 3)),
        "bulk": counts_of(SECONDS, (0.3, 5)),
    }


def test_recent_is_what_came_since() -> None:
    metrics = Metrics()
    metrics.count(batch())
    before = metrics.totals()
    metrics.count(batch(interactive=1, bulk=0))
    told = recent(before, metrics.totals(), 2.5)
    assert (told.seconds, told.batches, told.images) == (2.5, 1, 1)
    assert told.batch_images == counts_of(BATCH_IMAGES, (1, 1))
    assert told.queue_s["interactive"] == counts_of(SECONDS, (0.004, 1))
    assert sum(told.queue_s["bulk"]) == 0


@pytest.mark.timeout(10)
def test_no_batch_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count_many() -> None:
        for _ in range(500):
            metrics.count(batch())

    threads = [threading.Thread(target=count_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.totals().batches == 2000
    assert metrics.totals().images == 16_000
