"""A training of limited seconds: the learning rate follows the clock instead of the number of steps."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

WARMUP_SHARE = 0.05  # share of the seconds


class TimedSchedule(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each epoch, and ends the training before an epoch that would exceed the time."""

    def __init__(self, seconds: float, learning_rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._learning_rate, self._clock = seconds, learning_rate, clock
        self._epoch_s = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._begun_s = self._clock()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch_begun_s = self._clock()
        middle_s = self._epoch_begun_s - self._begun_s + self._epoch_s / 2
        self.model.optimizer.learning_rate = self._learning_rate * share_at(middle_s / self._seconds)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        now_s = self._clock()
        self._epoch_s = now_s - self._epoch_begun_s
        if now_s - self._begun_s + self._epoch_s > self._seconds:
            self.model.stop_training = True


def share_at(progress: float) -> float:
    """Return the share of the maximum learning rate at a progress from 0 to 1: a warm-up, then a cosine to zero."""
    if progress < WARMUP_SHARE:
        return max(progress, 0.02) / WARMUP_SHARE if progress > 0 else 0.4
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))))
