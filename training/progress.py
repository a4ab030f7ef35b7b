"""How far a training is, as lines of JSON on stdout, for whoever started it as a process of its own."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

EVERY_S = 2.0  # within an epoch
DIGITS = 5


class JsonLines(keras.callbacks.Callback):  # type: ignore[misc]
    """A line at the end of each epoch, and every EVERY_S within: {"epoch", "epochs", "step", "steps", "loss",
    "accuracy", "val_accuracy", "eta_s"}. Epochs and steps count from 1; `val_accuracy` is null but at an epoch's end.
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
        self._begun_s = self._told_s = self._clock()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._steps_done += 1
        if self._clock() - self._told_s >= EVERY_S:
            self._tell(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._tell(self.params["steps"], logs or {})

    def _tell(self, step: int, logs: Mapping[str, Any]) -> None:
        """The time left goes by the steps of this process: a resumed training has done others before."""
        now_s = self._told_s = self._clock()
        epochs, steps = self.params["epochs"], self.params["steps"]
        steps_left = (epochs - self._epoch) * steps - step
        eta_s = (now_s - self._begun_s) / max(1, self._steps_done) * steps_left
        numbers = {
            name: None if name not in logs else round(float(logs[name]), DIGITS)
            for name in ("loss", "accuracy", "val_accuracy")
        }
        place = {"epoch": self._epoch + 1, "epochs": epochs, "step": step, "steps": steps}
        self._write(json.dumps(place | numbers | {"eta_s": round(eta_s, 1)}))
