"""Celery's Beat as a thread of a worker, with no file on disk: what it has to do is in the configuration.

`--beat` would fork it into a process that goes on sending when its worker has been killed.
"""

import logging
import os
import threading
from typing import Any

from celery import beat, bootsteps

MAX_SLEEP_S = 1  # of Beat, which ends only in between
EXIT_BROKEN = 1

logger = logging.getLogger(__name__)


class BeatStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Celery calls `start` before it says that it is ready, `stop` on TERM, `terminate` on QUIT."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        self._service = beat.Service(
            parent.app, max_interval=MAX_SLEEP_S, scheduler_cls="celery.beat:Scheduler", remote_control=False
        )
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._thread.start()

    def stop(self, parent: Any) -> None:
        if self._thread is not None:
            self._service.stop()
            self._thread.join()

    terminate = stop

    def _run(self) -> None:
        try:
            self._service.start()
        except BaseException:
            logger.critical("this worker cannot go on without its Beat", exc_info=True)
            os._exit(EXIT_BROKEN)
