"""One entry per batch in Flower: Celery's own task events, sent from the worker's loop."""

import uuid
from typing import Any

from worker.runner import BatchReport

TASK_NAME = "mnistified.batch"


class BatchEvents:
    """`send` may be called from any thread; it does nothing while nobody has events enabled."""

    def __init__(self, celery_worker: Any) -> None:
        self._worker = celery_worker

    def send(self, report: BatchReport) -> None:
        if self._dispatcher() is not None and self._worker.hub is not None:
            self._worker.hub.call_soon(self._send, report)

    def _send(self, report: BatchReport) -> None:
        """Runs in Celery's loop, which owns the broker's connection."""
        dispatcher = self._dispatcher()
        if dispatcher is None:
            return
        task_id = str(uuid.uuid4())
        dispatcher.send(
            "task-received",
            uuid=task_id,
            name=TASK_NAME,
            args=f"n={report.images}, model={report.model}",
            kwargs="{}",
            retries=0,
            timestamp=report.started_s,
        )
        dispatcher.send("task-started", uuid=task_id, timestamp=report.started_s)
        ending: dict[str, Any] = {"uuid": task_id, "timestamp": report.finished_s}
        if report.failed:
            message = f"{report.failed} of {report.images} images failed: {report.reason}"
            dispatcher.send("task-failed", exception=message, traceback="", **ending)
        else:
            runtime_s = report.finished_s - report.started_s
            dispatcher.send("task-succeeded", result=f"n={report.images}", runtime=runtime_s, **ending)

    def _dispatcher(self) -> Any | None:
        """None while the worker reconnects, and while nobody listens."""
        dispatcher = getattr(getattr(self._worker, "consumer", None), "event_dispatcher", None)
        return dispatcher if dispatcher is not None and dispatcher.enabled else None
