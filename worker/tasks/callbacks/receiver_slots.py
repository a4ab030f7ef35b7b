"""A limit of concurrent callbacks per receiver, so that a receiver that hangs does not occupy every thread."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class ReceiverSlots:
    """The slots of one process. Threads may share it."""

    def __init__(self, max_slots: int, wait_s: float) -> None:
        self._max_slots = max_slots
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, receiver: str) -> Iterator[bool]:
        """Hold a slot and yield True, or yield False if no slot of the receiver becomes free within `wait_s`."""
        with self._changed:
            free = self._changed.wait_for(lambda: self._taken[receiver] < self._max_slots, self._wait_s)
            self._taken[receiver] += free
        try:
            yield free
        finally:
            with self._changed:
                self._taken[receiver] -= free
                if not self._taken[receiver]:
                    del self._taken[receiver]
                self._changed.notify_all()
