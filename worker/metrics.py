"""What this worker has measured since it started."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from shared.keys import LANES, Lane
from shared.metrics import BATCH_IMAGES, SECONDS, Histogram
from worker.report import BatchReport


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all models. The lists are counts by bucket: in images for `queue_s`, in batches for the others."""

    images: int
    failed: int
    batch_images: list[int]
    model_s: list[int]
    queue_s: dict[Lane, list[int]]

    @property
    def batches(self) -> int:
        return sum(self.batch_images)


class Metrics:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images = 0
        self._failed = 0
        self._batch_images: dict[str, Histogram] = {}
        self._model_s: dict[str, Histogram] = {}
        self._queue_s: dict[tuple[str, Lane], Histogram] = {}

    def count(self, report: BatchReport) -> None:
        ref = report.model
        with self._lock:
            self._images += report.images
            self._failed += report.failed
            self._batch_images.setdefault(ref, Histogram(BATCH_IMAGES)).add(report.images)
            self._model_s.setdefault(ref, Histogram(SECONDS)).add(report.model_ms / 1e3)
            for part in report.parts:
                waited_s = self._queue_s.setdefault((ref, part.lane), Histogram(SECONDS))
                waited_s.add(part.queue_ms / 1e3, part.images)

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
            )


def _added_up(histograms: Iterable[Histogram], bounds: int) -> list[int]:
    return [sum(counts) for counts in zip([0] * (bounds + 1), *(one.counts for one in histograms), strict=True)]
