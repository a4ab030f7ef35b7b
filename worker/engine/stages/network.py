"""One network of a version, with its measured batch sizes."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from shared.contract.layers_blob import LayerOutput
from shared.images import Images, Probabilities
from shared.models.temperature import scale
from worker.engine.calibrate import Calibration, cheapest_runs, size_between_pauses
from worker.engine.choose import EngineKind

Pause = Callable[[], None]


def no_pause() -> None:
    """Do nothing between two runs of a network."""


class Runtime(Protocol):
    """A loaded network that runs batches of any size. The first run of a size may be slow."""

    @property
    def kind(self) -> EngineKind: ...

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,H,W] or uint8[S,H,W,3] -> float32[S,K], in order. Not thread-safe."""
        ...

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Run one image -> float32[1,K] and return the output of each layer too. Not thread-safe.

        Raises ModelError for a version without layers to show, and the errors of the runtime.
        """
        ...


class Network:
    """A runtime with its measured batch sizes. Not thread-safe; releases the GIL while the network runs.

    The runtime's probabilities are scaled by the temperature of the stage. They have `outputs` columns.
    """

    def __init__(self, runtime: Runtime, calibration: Calibration, outputs: int, temperature: float = 1.0) -> None:
        self.runtime = runtime
        self.calibration = calibration
        self.temperature = temperature
        self._outputs = outputs
        self._runs_of = cheapest_runs(calibration.ms_of_size)
        self._size_between_pauses = size_between_pauses(calibration)

    def predict(self, images: Images, pause: Pause = no_pause) -> Probabilities:
        """Return float32[N,outputs] in order, for any N, and call `pause` before each run.

        With a pause, runs are short, because somebody may wait for it. Raises ValueError, and the runtime's errors.
        """
        parts: list[Probabilities] = []
        start = 0
        largest = self.calibration.best_size if pause is no_pause else self._size_between_pauses
        for size in self._runs(len(images), largest):
            pause()
            parts.append(self._run_padded(images[start : start + size], size))
            start += size
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, self._outputs), np.float32)

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Return float32[1,outputs] and the output of each layer, like `Runtime.look_inside`."""
        probabilities, outputs = self.runtime.look_inside(image)
        if probabilities.shape != (1, self._outputs):
            raise ValueError(f"the layers end in {list(probabilities.shape)}")
        return scale(probabilities, self.temperature), outputs

    def _runs(self, count: int, largest: int) -> Sequence[int]:
        full, rest = divmod(count, largest)
        return [largest] * full + self._runs_of[rest]

    def _run_padded(self, images: Images, size: int) -> Probabilities:
        count = len(images)
        if count < size:
            padded = np.zeros((size, *images.shape[1:]), np.uint8)
            padded[:count] = images
            images = padded
        probabilities = self.runtime.run(images)
        if probabilities.shape != (size, self._outputs):
            raise ValueError(f"the model answered {list(probabilities.shape)} to {size} images")
        return scale(probabilities[:count], self.temperature)
