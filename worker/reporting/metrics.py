"""The metrics of this worker since its start. Labels are versions in the registry and fixed words."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, Metric

from shared.contract.heartbeat import LastBatch, LoaderState
from shared.contract.lane import LANES, Lane
from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, Histogram, counter, gauge, histogram
from worker.delivery import Delivery
from worker.reporting.batch_report import BatchReport


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of all models. The lists are counts by bucket: of images for `queue_s`, of batches for the others."""

    images: int
    failed: int
    batch_images: list[int]
    model_s: list[int]
    queue_s: dict[Lane, list[int]]
    last_batch: LastBatch | None

    @property
    def batches(self) -> int:
        return sum(self.batch_images)


class Metrics:
    """The counters of this worker. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images = 0
        self._failed = 0
        self._batch_images: dict[str, Histogram] = defaultdict(lambda: Histogram(BATCH_IMAGES))
        self._model_s: dict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._queue_s: dict[tuple[str, Lane], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._results_s = Histogram(SECONDS)
        self._final: Counter[tuple[str, Lane, str]] = Counter()
        self._dead_letters = 0
        self._last_batch: tuple[str, int, float, float] | None = None

    def count(self, report: BatchReport) -> None:
        ref = report.model
        with self._lock:
            self._last_batch = (ref, report.images, report.finished_s, report.took_ms)
            self._images += report.images
            self._failed += report.failed
            self._batch_images[ref].add(report.images)
            self._model_s[ref].add(report.model_ms / 1e3)
            self._results_s.add(report.finished_s - report.started_s - report.model_ms / 1e3)
            for part in report.parts:
                self._queue_s[ref, part.lane].add(part.queue_ms / 1e3, part.images)

    def count_finished(self, delivery: Delivery, outcome: str) -> None:
        """Count an entry that left the queue. `outcome` is from finish.lua. Another worker has counted a late entry."""
        if outcome == "late":
            return
        ref, lane, images = delivery.entry.model, delivery.lane, delivery.count
        with self._lock:
            if outcome == "written":
                unsure = delivery.unsure_images if delivery.scores is not None else 0
                self._final[ref, lane, "done"] += images - len(delivery.faults) - unsure
                if unsure:
                    self._final[ref, lane, "unsure"] += unsure
                for state, _ in delivery.faults.values():
                    self._final[ref, lane, state] += 1
            else:
                self._final[ref, lane, outcome] += images
            self._dead_letters += len(delivery.dead_positions)

    def totals(self) -> Totals:
        with self._lock:
            return Totals(
                images=self._images,
                failed=self._failed,
                batch_images=_added_up(self._batch_images.values(), len(BATCH_IMAGES)),
                model_s=_added_up(self._model_s.values(), len(SECONDS)),
                queue_s={
                    lane: _added_up((one for (_, of), one in self._queue_s.items() if of == lane), len(SECONDS))
                    for lane in LANES
                },
                last_batch=None if self._last_batch is None else _rounded(*self._last_batch),
            )

    def families(self, takeovers: int, models: LoaderState) -> Iterable[Metric]:
        """Yield the metrics for Prometheus."""
        with self._lock:
            return [
                *self._measured(),
                CounterMetricFamily(
                    "mnistified_takeovers",
                    "How many entries did this worker take over because the lease of another worker expired?",
                    value=takeovers,
                ),
                *version_families(models),
            ]

    def _measured(self) -> Iterable[Metric]:
        yield histogram(
            "mnistified_batch_images",
            "How many images are in a batch?",
            ("version",),
            {(ref,): one for ref, one in self._batch_images.items()},
        )
        yield histogram(
            "mnistified_model_seconds",
            "How long does the engine take for a batch? The sum is the time that engines were busy",
            ("version",),
            {(ref,): one for ref, one in self._model_s.items()},
        )
        yield histogram(
            "mnistified_queue_seconds",
            "How long do images wait from their acceptance to the start of their batch? Counted per image",
            ("version", "lane"),
            self._queue_s,
        )
        yield histogram(
            "mnistified_results_seconds",
            "How long does it take to write the results of a batch into Redis?",
            (),
            {(): self._results_s},
        )
        yield counter(
            "mnistified_images",
            "How did the images end that left the queue? By state: done, unsure, failed, expired, cancelled",
            ("version", "lane", "state"),
            self._final,
        )
        yield CounterMetricFamily(
            "mnistified_dead_letters",
            "How many images did this worker move to the dead-letter stream?",
            value=self._dead_letters,
        )


def version_families(state: LoaderState) -> Iterable[Metric]:
    loaded = state.models
    yield gauge(
        "mnistified_loaded_version",
        "Which versions has this worker loaded, and in which engine? Always 1",
        ("version", "engine"),
        {(ref, one.engine): 1 for ref, one in loaded.items()},
    )
    yield gauge(
        "mnistified_batch_limit_images",
        "How large may batches be? The calibrated size, or less while larger ones would exceed MAX_BATCH_MS",
        ("version",),
        {(ref,): one.batch_limit_images for ref, one in loaded.items()},
    )
    yield gauge(
        "mnistified_calibrated_images_per_second",
        "How many images per second can this worker's engines run? Measured when the version was loaded",
        ("version",),
        {(ref,): one.images_per_s for ref, one in loaded.items()},
    )
    yield gauge(
        "mnistified_version_bytes",
        "How much memory does a version take? The growth of the process when it was loaded",
        ("version",),
        {(ref,): one.memory_bytes for ref, one in loaded.items() if one.memory_bytes is not None},
    )
    yield gauge(
        "mnistified_failed_version",
        "Which versions could not be loaded? Always 1; /status has the reason",
        ("version",),
        dict.fromkeys(((ref,) for ref in state.failed_models), 1),
    )


def _rounded(model: str, images: int, finished_s: float, took_ms: float) -> LastBatch:
    return LastBatch(model=model, images=images, finished_s=round(finished_s, 3), took_ms=round(took_ms, 3))


def _added_up(histograms: Iterable[Histogram], bounds: int) -> list[int]:
    return [sum(counts) for counts in zip([0] * (bounds + 1), *(one.counts for one in histograms), strict=True)]
