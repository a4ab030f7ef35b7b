"""Engines, which run a model: `predict(uint8[N,28,28]) -> Answers`. Both runtimes give the same answers."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from shared.answers import Answers, join, no_answers
from shared.contract.layers_blob import LayerOutput
from shared.images import CLASSES, IMAGE_SIDE, Images, Probabilities
from shared.models.temperature import read_temperature, scale
from worker.engine.calibrate import Calibration, calibrate, cheapest_runs, still_holds
from worker.engine.check import check_answers
from worker.engine.pace import FULL_SPEED, Pace

EngineKind = Literal["litert", "tensorflow"]


class Runtime(Protocol):
    """A loaded model that runs batches of any size. The first run of a size may be slow."""

    @property
    def kind(self) -> EngineKind: ...

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,28,28] -> float32[S,10], in order. Not thread-safe."""
        ...

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Run uint8[1,28,28] -> float32[1,10] and return the output of each layer too. Not thread-safe.

        Raises ModelError for a version without layers to show, and the errors of the runtime.
        """
        ...


class Engine:
    """A runtime with its measured batch sizes. Not thread-safe; releases the GIL while the model runs.

    The runtime's probabilities are scaled by the version's temperature.
    """

    def __init__(self, runtime: Runtime, calibration: Calibration, temperature: float = 1.0) -> None:
        self.runtime = runtime
        self.calibration = calibration
        self.temperature = temperature
        self._runs_of = cheapest_runs(calibration.ms_of_size)

    @property
    def kind(self) -> EngineKind:
        return self.runtime.kind

    @property
    def best_batch_images(self) -> int:
        """The largest batch worth making."""
        return self.calibration.best_size

    def predict(self, images: Images) -> Answers:
        """Answer uint8[N,28,28] in order, for any N. Raises ValueError, and the runtime's errors."""
        if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIDE, IMAGE_SIDE):
            raise ValueError(f"expected uint8[N,28,28], got {images.dtype}{list(images.shape)}")
        count = len(images)
        parts: list[Answers] = []
        start = 0
        for size in self._runs(count):
            parts.append(self._run_padded(images[start : start + size], size))
            start += size
        return join(parts) if parts else no_answers(0, CLASSES)

    def look_inside(self, images: Images) -> tuple[Answers, list[LayerOutput]]:
        """Answer uint8[1,28,28] and return the output of each layer too, like `Runtime.look_inside`.

        Raises ValueError unless there is one image.
        """
        if images.dtype != np.uint8 or images.shape != (1, IMAGE_SIDE, IMAGE_SIDE):
            raise ValueError(f"expected uint8[1,28,28], got {images.dtype}{list(images.shape)}")
        probabilities, outputs = self.runtime.look_inside(images)
        if probabilities.shape != (1, CLASSES):
            raise ValueError(f"the layers end in {list(probabilities.shape)}")
        return Answers(scale(probabilities, self.temperature)), outputs

    def _runs(self, count: int) -> list[int]:
        best = self.best_batch_images
        full, rest = divmod(count, best)
        return [best] * full + self._runs_of[rest]

    def _run_padded(self, images: Images, size: int) -> Answers:
        count = len(images)
        if count < size:
            padded = np.zeros((size, IMAGE_SIDE, IMAGE_SIDE), np.uint8)
            padded[:count] = images
            images = padded
        probabilities = self.runtime.run(images)
        if probabilities.shape != (size, CLASSES):
            raise ValueError(f"the model answered {list(probabilities.shape)} to {size} images")
        return Answers(scale(probabilities[:count], self.temperature))


def choose_kind(setting: str) -> EngineKind:
    """Resolve ENGINE=auto: TensorFlow if it is installed and sees a GPU, else LiteRT."""
    if setting == "litert":
        return "litert"
    if setting == "tensorflow":
        return "tensorflow"
    if not _nvidia_device() or find_spec("tensorflow") is None:
        return "litert"
    from worker.engine.tensorflow import sees_gpu

    return "tensorflow" if sees_gpu() else "litert"


def load_engine(
    kind: EngineKind,
    model_dir: Path,
    threads: int,
    max_batch_images: int = 256,
    max_batch_ms: float = 20.0,
    pace: Pace = FULL_SPEED,
    known: Calibration | None = None,
) -> Engine:
    """Load a published version, then warm and measure every batch size it will use. Blocks for up to seconds.

    `known` is the calibration of an engine of the same architecture. It is reused if a run of its best size takes as
    long here.

    Raises EngineFault for answers in the wrong order, ModelError for a card that cannot be read, and the errors of the
    runtime for files that do not load.
    """
    runtime: Runtime
    with pace.step():
        runtime = _load_runtime(kind, model_dir, threads)
    if known is not None and still_holds(runtime.run, known, pace):
        calibration = known
    else:
        calibration = calibrate(runtime.run, max_batch_images, max_batch_ms, pace)
    check_answers(runtime.run, calibration.ms_of_size, pace)
    return Engine(runtime, calibration, read_temperature(model_dir))


def _load_runtime(kind: EngineKind, model_dir: Path, threads: int) -> Runtime:
    if kind == "tensorflow":
        from worker.engine.tensorflow import TensorFlowRuntime

        return TensorFlowRuntime(model_dir / "model.keras", threads)
    from worker.engine.litert import LiteRTRuntime

    return LiteRTRuntime(model_dir / "model.tflite", threads)


def replicate(engine: Engine, model_dir: Path, count: int, pace: Pace = FULL_SPEED) -> list[Engine]:
    """Return `count` more LiteRT engines like `engine`, warmed, with one thread each."""
    from worker.engine.litert import LiteRTRuntime

    replicas = []
    for _ in range(count):
        runtime = LiteRTRuntime(model_dir / "model.tflite", threads=1)
        check_answers(runtime.run, engine.calibration.ms_of_size, pace)
        replicas.append(Engine(runtime, engine.calibration, engine.temperature))
    return replicas


def _nvidia_device() -> bool:
    """Return whether a GPU may be present, without importing TensorFlow, which takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*"))
