"""One entry per batch in Flower, as Celery task events that are sent from the worker's loop."""

import threading
import uuid
from typing import Any

from worker.reporting.batch_report import BatchReport

TASK_NAME = "mnistified.batch"
GATHER_S = 0.25  # events are sent together after this time: published one by one they cost more than the batches


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
        dispatcher.buffer_limit = 3 * len(reports) + 1  # the default of 24 events would publish in between
        for report in reports:
            _send(dispatcher, report)

    def _dispatcher(self) -> Any | None:
        """Return the dispatcher, or None while the worker reconnects or nobody listens."""
        dispatcher = getattr(getattr(self._worker, "consumer", None), "event_dispatcher", None)
        return dispatcher if dispatcher is not None and dispatcher.enabled else None


def _send(dispatcher: Any, report: BatchReport) -> None:
    batch_id = str(uuid.uuid4())
    dispatcher.send(
        "task-received",
        uuid=batch_id,
        name=TASK_NAME,
        args=report.title,
        kwargs=", ".join(report.request_ids),
        retries=0,
        timestamp=report.started_s,
    )
    dispatcher.send("task-started", uuid=batch_id, timestamp=report.started_s)
    ending: dict[str, Any] = {"uuid": batch_id, "timestamp": report.finished_s}
    if report.failed:
        message = f"{report.failed} of {report.images} images failed: {report.reason}"
        dispatcher.send("task-failed", exception=message, traceback="", **ending)
    else:
        queue_ms = max((part.queue_ms for part in report.parts), default=0.0)
        result = f"queue {queue_ms:.0f} ms at most, model {report.model_ms:.1f} ms"
        dispatcher.send("task-succeeded", result=result, runtime=report.took_ms / 1e3, **ending)
