"""A bound on the callbacks under way to one receiver, so that one that hangs does not hold every thread."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """Of one process; safe to share between threads."""

    def __init__(self, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, receiver: str) -> Iterator[bool]:
        """True while a place is held, False when none of the receiver's became free within `wait_s`."""
        with self._changed:
            free = self._changed.wait_for(lambda: self._taken[receiver] < self._most, self._wait_s)
            self._taken[receiver] += free
        try:
            yield free
        finally:
            with self._changed:
                self._taken[receiver] -= free
                if not self._taken[receiver]:
                    del self._taken[receiver]
                self._changed.notify_all()
