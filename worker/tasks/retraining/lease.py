"""The lease of a training that this trainer works on, and the records that it writes."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis.exceptions import RedisError

from shared.contract.training import TrainingState
from worker.tasks.retraining.child import TICK_S, Stopped
from worker.tasks.retraining.register import Fields, Register

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Lease:
    """One attempt at a training. It continues during an outage of Redis; required records wait for the end of it."""

    register: Register
    training_id: str
    attempt: int
    stopping: threading.Event
    revoked: Callable[[], bool]
    lost: bool = False

    def renew(self) -> bool:
        """Renew the lease. Return False if the training has to stop."""
        return not self.stopping.is_set() and not self.revoked() and self.try_to_record({})

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease in a thread while the caller waits for something else and does not use the register."""
        ended = threading.Event()

        def renew_until_ended() -> None:
            while not ended.wait(TICK_S):
                self.try_to_record({})

        thread = threading.Thread(target=renew_until_ended, name="lease")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def try_to_record(self, fields: Fields) -> bool:
        """Record fields that may be lost. Return False if the training is cancelled, or another attempt holds it."""
        try:
            self.lost = self.lost or not self.register.record(self.training_id, self.attempt, fields)
        except (RedisError, OSError) as error:
            logger.warning("training %s continues, but its progress is not recorded: %s", self.training_id, error)
        return not self.lost

    def record(self, fields: Fields) -> None:
        """Block until the fields are recorded. Raises Stopped."""
        self._retry(lambda: self.register.record(self.training_id, self.attempt, fields))

    def finish(self, state: TrainingState, fields: Fields) -> None:
        """Block until the final state is recorded. Raises Stopped."""
        self._retry(lambda: self.register.finish(self.training_id, self.attempt, state, fields))

    def release(self) -> None:
        """Cancel the training if its task was revoked, else leave it to any trainer."""
        if self.lost:
            return
        try:
            if self.revoked():
                self.register.cancel(self.training_id, self.attempt)
            else:
                self.register.release(self.training_id, self.attempt)
        except (RedisError, OSError) as error:
            logger.warning("training %s is due again when its lease ends: %s", self.training_id, error)

    def _retry(self, write: Callable[[], bool]) -> None:
        while True:
            try:
                self.lost = self.lost or not write()
            except (RedisError, OSError) as error:
                logger.warning("training %s waits for Redis: %s", self.training_id, error)
                if self.stopping.wait(TICK_S):
                    raise Stopped from None
                continue
            if self.lost:
                raise Stopped
            return
