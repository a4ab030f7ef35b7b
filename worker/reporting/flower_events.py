"""Entries for batches in Flower, as Celery task events that are sent from the worker's loop.

A batch has an entry of its own while there are few. A busy worker makes a hundred batches per second, and three events
for each would cost Flower as much as the API needs for their requests: then batches of a version share an entry.
"""

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.reporting.batch_report import MAX_REQUEST_IDS, BatchReport

TASK_NAME = "mnistified.batch"
GATHER_S = 0.25  # events are sent together after this time: published one by one they cost more than the batches
MAX_LABELS = 3  # shown of an entry
MAX_LABEL_CHARS = 40
MAX_BATCHES_PER_S = 10  # per version: if there are more, they share an entry


@dataclass(frozen=True, slots=True)
class FlowerEntry:
    """An entry in Flower, for one or more batches. `fault` is empty if all images were answered."""

    title: str
    request_ids: Sequence[str]
    started_s: float
    finished_s: float
    runtime_s: float
    result: str
    fault: str = ""


class BatchEvents:
    """Sends events of batches. Any thread may call `send`, which does nothing while events are disabled."""

    def __init__(self, celery_worker: Any) -> None:
        self._worker = celery_worker
        self._lock = threading.Lock()
        self._gathered: list[BatchReport] = []

    def send(self, report: BatchReport) -> None:
        if self._dispatcher() is None or self._worker.hub is None:
            return
        with self._lock:
            self._gathered.append(report)
            first = len(self._gathered) == 1
        if first:  # the timers belong to the loop's own thread
            self._worker.hub.call_soon(self._worker.hub.call_later, GATHER_S, self._send_gathered)

    def _send_gathered(self) -> None:
        """Runs in Celery's loop, which owns the broker's connection."""
        with self._lock:
            reports, self._gathered = self._gathered, []
        dispatcher = self._dispatcher()
        if dispatcher is None:
            return
        entries = list(entries_of(reports))
        dispatcher.buffer_limit = 3 * len(entries) + 1  # the default of 24 events would publish in between
        for entry in entries:
            _send(dispatcher, entry)

    def _dispatcher(self) -> Any | None:
        """Return the dispatcher, or None while the worker reconnects or nobody listens."""
        dispatcher = getattr(getattr(self._worker, "consumer", None), "event_dispatcher", None)
        return dispatcher if dispatcher is not None and dispatcher.enabled else None


def entries_of(reports: Sequence[BatchReport]) -> Iterator[FlowerEntry]:
    """Yield the entries for the batches of GATHER_S. A batch with failed images always has its own."""
    by_model: dict[str, list[BatchReport]] = {}
    for report in reports:
        if report.failed:
            yield _entry_of([report])
        else:
            by_model.setdefault(report.model, []).append(report)
    for batches in by_model.values():
        if len(batches) > MAX_BATCHES_PER_S * GATHER_S:
            yield _entry_of(batches)
        else:
            yield from (_entry_of([batch]) for batch in batches)


def _entry_of(batches: Sequence[BatchReport]) -> FlowerEntry:
    first, count = batches[0], len(batches)
    images, interactive = (sum(getattr(batch, name) for batch in batches) for name in ("images", "interactive"))
    request_ids = dict.fromkeys(each for batch in batches[:MAX_REQUEST_IDS] for each in batch.request_ids)
    queue_ms = max((part.queue_ms for batch in batches for part in batch.parts), default=0.0)
    model_ms = sum(batch.model_ms for batch in batches) / count
    lanes = f"interactive {interactive:,} / bulk {images - interactive:,}"
    return FlowerEntry(
        title=first.title if count == 1 else f"{first.model} n={images:,} in {count} batches {lanes}",
        request_ids=list(request_ids)[:MAX_REQUEST_IDS],
        started_s=min(batch.started_s for batch in batches),
        finished_s=max(batch.finished_s for batch in batches),
        runtime_s=sum(batch.took_ms for batch in batches) / 1e3,
        result=f"{_best_of(batches)}queue {queue_ms:.0f} ms at most, model {model_ms:.1f} ms"
        + (" on average" if count > 1 else ""),
        fault=f"{first.failed} of {first.images} images failed: {first.reason}" if first.failed else "",
    )


def _best_of(batches: Sequence[BatchReport]) -> str:
    """Return the most frequent labels, such as "12 × cat, 3 × dog, 1 other; ", or "" if images failed."""
    labels = batches[0].labels
    if batches[0].failed or not labels:
        return ""
    counts = np.bincount(np.concatenate([batch.predictions for batch in batches]), minlength=len(labels))
    best = [at for at in np.argsort(-counts, kind="stable")[:MAX_LABELS] if counts[at]]
    named = [f"{counts[at]:,} × {shortened(labels[at])}" for at in best]
    others = int(counts.sum() - counts[best].sum())
    return ", ".join([*named, f"{others:,} other{'s' * (others > 1)}"] if others else named) + "; "


def shortened(label: str) -> str:
    return label if len(label) <= MAX_LABEL_CHARS else f"{label[: MAX_LABEL_CHARS - 1]}…"


def _send(dispatcher: Any, entry: FlowerEntry) -> None:
    entry_id = str(uuid.uuid4())
    dispatcher.send(
        "task-received",
        uuid=entry_id,
        name=TASK_NAME,
        args=entry.title,
        kwargs=", ".join(entry.request_ids),
        retries=0,
        timestamp=entry.started_s,
    )
    dispatcher.send("task-started", uuid=entry_id, timestamp=entry.started_s)
    ending: dict[str, Any] = {"uuid": entry_id, "timestamp": entry.finished_s}
    if entry.fault:
        dispatcher.send("task-failed", exception=entry.fault, traceback="", **ending)
    else:
        dispatcher.send("task-succeeded", result=entry.result, runtime=entry.runtime_s, **ending)
