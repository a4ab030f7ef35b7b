"""The progress of a training run as lines of JSON on stdout, for the process that started it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import msgspec

from shared.contract.training import Progress

LINE_INTERVAL_S = 2.0  # between two lines within an epoch
DECIMALS = 5


class JsonLines(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that writes a line at the end of each epoch and every LINE_INTERVAL_S in between.

    A line is a `Progress`.
    """

    def __init__(
        self, write: Callable[[str], object] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._write = write or (lambda line: print(line, flush=True))
        self._clock = clock
        self._steps_done = 0
        self._epoch = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._begun_s = self._last_line_s = self._clock()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._steps_done += 1
        if self._clock() - self._last_line_s >= LINE_INTERVAL_S:
            self._write_line(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._write_line(self.params["steps"], logs or {})

    def _write_line(self, step: int, logs: Mapping[str, Any]) -> None:
        """Write one line. The remaining time is estimated from the steps since the start or resumption."""
        now_s = self._last_line_s = self._clock()
        epochs, steps = self.params["epochs"], self.params["steps"]
        steps_left = (epochs - self._epoch) * steps - step
        eta_s = (now_s - self._begun_s) / max(1, self._steps_done) * steps_left
        numbers = {
            name: None if name not in logs else round(float(logs[name]), DECIMALS)
            for name in ("loss", "accuracy", "val_accuracy")
        }
        progress = Progress(self._epoch + 1, epochs, step, steps, **numbers, eta_s=round(eta_s, 1))
        self._write(msgspec.json.encode(progress).decode())
