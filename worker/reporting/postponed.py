"""Reports of batches that are made together, a moment after their results."""

import threading
from collections import deque
from collections.abc import Callable

# A run of the model displaces the code of a report from the CPU's caches, so that the first report takes longer than
# the next one. Batches whose reports wait keep their images in memory.
TOGETHER = 8
LATEST_S = 0.1


class Postponed:
    """Calls that wait for others. Any thread may call any method."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()

    def add(self, call: Callable[[], None]) -> None:
        """Make a call later, or now with all that wait, if there are TOGETHER."""
        self._calls.append(call)
        if len(self._calls) >= TOGETHER:
            self.call_all()

    def call_all(self) -> None:
        """Make all calls that wait, in their order."""
        while self._calls:
            try:
                call = self._calls.popleft()
            except IndexError:  # another thread makes the last one
                return
            call()

    def call_until(self, ended: threading.Event) -> None:
        """Make calls at the latest LATEST_S after they were added. Blocks until `ended` is set."""
        while not ended.wait(LATEST_S):
            self.call_all()
