"""Threads that a worker cannot be without."""

import logging
import os
import threading
from collections.abc import Callable

from worker.watchdog import EXIT_BROKEN

logger = logging.getLogger(__name__)


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """Run `target` in a daemon thread; whatever it raises ends the process, with EXIT_BROKEN."""
    thread = threading.Thread(target=_or_exit(target), name=name, daemon=True)
    thread.start()
    return thread


def _or_exit(target: Callable[[], None]) -> Callable[[], None]:
    """A worker with a thread missing must not sit there looking alive: it ends, its supervisor starts it anew."""

    def guarded() -> None:
        try:
            target()
        except BaseException:
            logger.critical("this worker cannot go on; its entries will be taken over", exc_info=True)
            os._exit(EXIT_BROKEN)

    return guarded
