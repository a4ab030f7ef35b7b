"""The bootstep that runs the batching service in a Celery worker.

It is a step of the worker and not of its consumer, which restarts with the broker's connection.
"""

from typing import Any

from celery import bootsteps
from celery.exceptions import ImproperlyConfigured

from worker.reporting.flower_events import BatchEvents


class BatchingStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts and stops the service. Celery calls `start` before it is ready, `stop` on TERM, `terminate` on QUIT."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._service: Any = None

    def start(self, parent: Any) -> None:
        if not parent.pool_cls.__module__.endswith(".solo"):
            raise ImproperlyConfigured("a model is never loaded before a fork: start the worker with --pool solo")
        # Imported here: Flower and `celery inspect` import the application and must not load an engine.
        from worker.service import BatchingService

        self._service = BatchingService(parent.app.settings, parent.hostname, BatchEvents(parent).send)
        self._service.start()
        parent.batching = self._service  # for worker/control.py

    def stop(self, parent: Any) -> None:
        if self._service is not None:
            self._service.stop()

    terminate = stop
