"""Threads that a worker needs: if one fails, its process exits."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from worker.watchdog import EXIT_BROKEN

logger = logging.getLogger(__name__)


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """Run `target` in a daemon thread. If it raises, the process exits with EXIT_BROKEN."""

    def run_or_exit() -> None:
        try:
            target()
        except BaseException:
            logger.critical("thread %s failed: this process exits, and its supervisor restarts it", name, exc_info=True)
            os._exit(EXIT_BROKEN)

    thread = threading.Thread(target=run_or_exit, name=name, daemon=True)
    thread.start()
    return thread


def join_all(threads: Iterable[threading.Thread], timeout_s: float) -> None:
    """Wait until all threads have ended, for at most `timeout_s` in total."""
    deadline_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
