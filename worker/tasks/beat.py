"""Celery's Beat as a thread of a worker, with its schedule in the configuration and no file on disk.

`--beat` would fork a process that keeps sending after its worker was killed.
"""

import threading
from typing import Any

from celery import beat, bootsteps

from worker.threads import start_thread

MAX_SLEEP_S = 1  # Beat only ends between two sleeps


class BeatStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Celery calls `start` before it reports ready, `stop` on TERM, and `terminate` on QUIT."""

    requires = frozenset({"celery.worker.components:Pool"})
    _thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        self._service = beat.Service(
            parent.app, max_interval=MAX_SLEEP_S, scheduler_cls="celery.beat:Scheduler", remote_control=False
        )
        self._thread = start_thread("beat", self._service.start)

    def stop(self, parent: Any) -> None:
        if self._thread is not None:
            self._service.stop()
            self._thread.join()

    terminate = stop
