"""The report of one batch, for Flower, the heartbeat, the log and traces."""

import logging
from collections.abc import Collection, Sequence
from itertools import islice

import msgspec
import numpy as np

from shared.contract.lane import Lane
from shared.telemetry.logs import fields
from worker.delivery import Predictions, Slice

MAX_REQUEST_IDS = 8  # shown of a batch
MAX_LINKS = 128  # to the spans of its requests, the maximum that OpenTelemetry keeps

NO_PREDICTIONS: Predictions = np.zeros(0, np.uint16)

logger = logging.getLogger(__name__)


class BatchPart(msgspec.Struct, frozen=True):
    """The images of a batch from one entry. `queue_ms` is from their acceptance to the start of the batch."""

    lane: Lane
    images: int
    queue_ms: float


class BatchReport(msgspec.Struct, frozen=True):
    """The report of one batch. `started_s` and `finished_s` are unix times by Redis's clock.

    `images` is the number of images that ran, `interactive` how many of them are of that lane. `parts` include images
    that had expired or failed before. `request_ids` are those of the first failed images, or of the first images if
    none failed. `traceparents` are those of the batch's requests. `started_perf_s` is its start by `time.perf_counter`.
    `predictions` are numbers of `labels`, or meaningless if images failed.
    """

    model: str
    images: int
    interactive: int
    failed: int
    started_s: float
    finished_s: float
    model_ms: float
    parts: Sequence[BatchPart]
    reason: str = ""
    request_ids: tuple[str, ...] = ()
    traceparents: tuple[str, ...] = ()
    started_perf_s: float = 0.0
    predictions: Predictions = NO_PREDICTIONS
    labels: Sequence[str] = ()

    @property
    def bulk(self) -> int:
        return self.images - self.interactive

    @property
    def took_ms(self) -> float:
        return (self.finished_s - self.started_s) * 1e3

    @property
    def title(self) -> str:
        """`cnn@1 n=64 interactive 41 / bulk 23`"""
        return f"{self.model} n={self.images} interactive {self.interactive} / bulk {self.bulk}"


def report_of(
    batch: Sequence[Slice],
    live: Sequence[Sequence[int]],
    faults: dict[int, str],
    started_s: float,
    finished_s: float,
    model_ms: float,
    parts: Sequence[BatchPart],
    started_perf_s: float = 0.0,
    predictions: Predictions = NO_PREDICTIONS,
    labels: Sequence[str] = (),
) -> BatchReport:
    """Return the report of a finished batch. `live` are the positions that ran, `faults` are reasons by row."""
    images = {"interactive": 0, "bulk": 0}
    for part, alive in zip(batch, live, strict=True):
        images[part.delivery.lane] += len(alive)
    return BatchReport(
        model=batch[0].delivery.entry.model,
        images=sum(images.values()),
        interactive=images["interactive"],
        failed=len(faults),
        started_s=started_s,
        finished_s=finished_s,
        model_ms=model_ms,
        parts=parts,
        reason=next(iter(faults.values()), ""),
        request_ids=_request_ids(batch, live, faults),
        traceparents=_traceparents(batch),
        started_perf_s=started_perf_s,
        predictions=predictions,
        labels=labels,
    )


def log_batch(report: BatchReport, slow_ms: float) -> None:
    """Log a batch: as a warning if images failed or it took longer than `slow_ms`, else at debug level."""
    if report.failed:
        level, what = logging.WARNING, "images failed"
    elif (report.finished_s - report.started_s) * 1e3 > slow_ms:
        level, what = logging.WARNING, "slow batch"
    else:
        level, what = logging.DEBUG, "batch"
    if logger.isEnabledFor(level):
        logger.log(level, what, extra=fields(**_about(report)))


def _about(report: BatchReport) -> dict[str, object]:
    about: dict[str, object] = {
        "model": report.model,
        "images": report.images,
        "interactive": report.interactive,
        "bulk": report.bulk,
        "took_ms": round(report.took_ms, 3),
        "request_ids": list(report.request_ids),
    }
    return about | ({"failed": report.failed, "reason": report.reason} if report.failed else {})


def _request_ids(batch: Sequence[Slice], live: Sequence[Sequence[int]], faults: Collection[int]) -> tuple[str, ...]:
    """Return the ids of failed images, or of all images if none failed; only the first of a job's chunk."""
    ids: dict[str, None] = {}
    row = 0
    for part, alive in zip(batch, live, strict=True):
        rows = range(row, row + len(alive))
        row = rows.stop
        positions = [alive[faulty - rows.start] for faulty in faults if faulty in rows] if faults else alive
        entry = part.delivery.entry
        positions = positions[: MAX_REQUEST_IDS - len(ids) if entry.chunk is None else 1]
        if entry.chunk is None and not entry.origins:
            ids |= dict.fromkeys([f"{entry.uid}-{position}" for position in positions])
        else:
            ids |= dict.fromkeys(map(entry.request_id, positions))
        if len(ids) >= MAX_REQUEST_IDS:
            break
    return tuple(ids)


def _traceparents(batch: Sequence[Slice]) -> tuple[str, ...]:
    """Return each traceparent once. A chunk of a job has one for all of its images."""
    found: dict[str, None] = {}
    for part in batch:
        entry = part.delivery.entry
        for position, origin in entry.origins.items():
            if origin.traceparent and (entry.chunk is not None or part.start <= position < part.stop):
                found[origin.traceparent] = None
    return tuple(islice(found, MAX_LINKS))
