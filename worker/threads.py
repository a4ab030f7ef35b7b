"""Threads that a worker needs: if one fails, the worker exits."""

import logging
import os
import threading
from collections.abc import Callable

from worker.watchdog import EXIT_BROKEN

logger = logging.getLogger(__name__)


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """Run `target` in a daemon thread. If it raises, the process exits with EXIT_BROKEN."""
    thread = threading.Thread(target=_or_exit(target), name=name, daemon=True)
    thread.start()
    return thread


def _or_exit(target: Callable[[], None]) -> Callable[[], None]:
    """Make `target` exit the process if it raises, so that the supervisor restarts a worker that lost a thread."""

    def guarded() -> None:
        try:
            target()
        except BaseException:
            logger.critical("this worker exits; its entries will be taken over", exc_info=True)
            os._exit(EXIT_BROKEN)

    return guarded
