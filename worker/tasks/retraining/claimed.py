"""A training that this trainer holds: its lease, what is written down of it, and whether it is still wanted."""

import logging
import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from worker.tasks.retraining.child import TICK_S, Unwanted
from worker.tasks.retraining.register import Fields, Register

logger = logging.getLogger(__name__)


class Held:
    """One attempt. While Redis is away the training goes on; what must be written down waits until it is back."""

    def __init__(
        self, register: Register, training_id: str, attempt: int, stopping: threading.Event, revoked: Callable[[], bool]
    ) -> None:
        self._register = register
        self._id = training_id
        self._attempt = attempt
        self._stopping = stopping
        self._revoked = revoked
        self.lost = False

    def wanted(self) -> bool:
        """Renews the lease."""
        return not self._stopping.is_set() and not self._revoked() and self.tell({})

    def tell(self, fields: Fields) -> bool:
        """Write down what may as well be lost. False once the training is another attempt's, or was cancelled."""
        try:
            self.lost = self.lost or not self._register.record(self._id, self._attempt, fields)
        except (RedisError, OSError) as error:
            logger.warning("training %s goes on, but cannot say so: %s", self._id, error)
        return not self.lost

    def insist(self, fields: Fields) -> None:
        """Blocks until it is written down. Raises Unwanted."""
        self._insist(lambda: self._register.record(self._id, self._attempt, fields))

    def finish(self, state: str, fields: Fields) -> None:
        """As `insist`; final."""
        self._insist(lambda: self._register.finish(self._id, self._attempt, state, fields))

    def let_go(self) -> None:
        """Cancelled if it was revoked; else any trainer may go on with it."""
        if self.lost:
            return
        try:
            if self._revoked():
                self._register.cancel(self._id, self._attempt)
            else:
                self._register.release(self._id, self._attempt)
        except (RedisError, OSError) as error:
            logger.warning("training %s is due again when its lease ends: %s", self._id, error)

    def _insist(self, write: Callable[[], bool]) -> None:
        while True:
            try:
                self.lost = self.lost or not write()
            except (RedisError, OSError) as error:
                logger.warning("training %s waits for Redis: %s", self._id, error)
                if self._stopping.wait(TICK_S):
                    raise Unwanted from None
                continue
            if self.lost:
                raise Unwanted
            return
