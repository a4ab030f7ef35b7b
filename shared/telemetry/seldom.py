"""A log for failures that repeat: what runs every second fails every second while Redis is away."""

import logging
import time
from collections.abc import Callable

INTERVAL_S = 60.0
MAX_TEXTS = 100


class SeldomLog:
    """Logs the same text at most once per INTERVAL_S. Threads may share it."""

    def __init__(self, logger: logging.Logger, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock_s = clock_s
        self._logged_s: dict[str, float] = {}

    def log(self, level: int, text: str) -> None:
        now_s = self._clock_s()
        if now_s - self._logged_s.get(text, -INTERVAL_S) < INTERVAL_S:
            return
        if len(self._logged_s) >= MAX_TEXTS:
            self._logged_s.clear()
        self._logged_s[text] = now_s
        self._logger.log(level, "%s", text)
