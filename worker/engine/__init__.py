"""Engines, which run a model: `predict(uint8[N,H,W]) -> Answers`, or uint8[N,H,W,3] for colour.

All runtimes give the same answers.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from shared.answers import Answers, join, no_answers
from shared.config.engine import KERAS_BACKENDS
from shared.contract.layers_blob import LayerOutput
from shared.contract.model_spec import MNIST_SPEC, ModelSpec, spec_of
from shared.images import Images, Probabilities
from shared.models import registry
from shared.models.temperature import scale
from worker.engine.calibrate import Calibration, calibrate, cheapest_runs, still_holds
from worker.engine.check import check_answers
from worker.engine.choose import EngineKind, select_backend
from worker.engine.pace import FULL_SPEED, Pace

MAX_BATCH_BYTES = 4 << 20  # pixels of the largest batch: activations take a multiple of them in each engine


class Runtime(Protocol):
    """A loaded model that runs batches of any size. The first run of a size may be slow."""

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


class Engine:
    """A runtime with its measured batch sizes. Not thread-safe; releases the GIL while the model runs.

    `spec` says which images the version takes, and how many labels it has. The runtime's probabilities are scaled by
    its temperature.
    """

    def __init__(self, runtime: Runtime, calibration: Calibration, spec: ModelSpec = MNIST_SPEC) -> None:
        self.runtime = runtime
        self.calibration = calibration
        self.spec = spec
        self.temperature = spec.temperature
        self._shape = spec.array_shape
        self._runs_of = cheapest_runs(calibration.ms_of_size)

    @property
    def kind(self) -> EngineKind:
        return self.runtime.kind

    @property
    def best_batch_images(self) -> int:
        """The largest batch worth making."""
        return self.calibration.best_size

    def predict(self, images: Images) -> Answers:
        """Answer uint8[N,H,W] or uint8[N,H,W,3] in order, for any N. Raises ValueError, and the runtime's errors."""
        if images.dtype != np.uint8 or images.shape[1:] != self._shape:
            raise ValueError(f"expected {self._expected('N')}, got {images.dtype}{list(images.shape)}")
        count = len(images)
        parts: list[Answers] = []
        start = 0
        for size in self._runs(count):
            parts.append(self._run_padded(images[start : start + size], size))
            start += size
        return join(parts) if parts else no_answers(0, self.spec.outputs)

    def look_inside(self, images: Images) -> tuple[Answers, list[LayerOutput]]:
        """Answer one image and return the output of each layer too, like `Runtime.look_inside`.

        Raises ValueError unless there is one image.
        """
        if images.dtype != np.uint8 or images.shape != (1, *self._shape):
            raise ValueError(f"expected {self._expected('1')}, got {images.dtype}{list(images.shape)}")
        probabilities, outputs = self.runtime.look_inside(images)
        if probabilities.shape != (1, self.spec.outputs):
            raise ValueError(f"the layers end in {list(probabilities.shape)}")
        return Answers(scale(probabilities, self.temperature)), outputs

    def _runs(self, count: int) -> list[int]:
        best = self.best_batch_images
        full, rest = divmod(count, best)
        return [best] * full + self._runs_of[rest]

    def _run_padded(self, images: Images, size: int) -> Answers:
        count = len(images)
        if count < size:
            padded = np.zeros((size, *self._shape), np.uint8)
            padded[:count] = images
            images = padded
        probabilities = self.runtime.run(images)
        if probabilities.shape != (size, self.spec.outputs):
            raise ValueError(f"the model answered {list(probabilities.shape)} to {size} images")
        return Answers(scale(probabilities[:count], self.temperature))

    def _expected(self, images: str) -> str:
        return f"uint8[{','.join([images, *map(str, self._shape)])}]"


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

    Raises EngineFault for answers in the wrong order, ModelError for a card that cannot be used, OSError for one that
    cannot be read, and the errors of the runtime for files that do not load.
    """
    path = model_dir / registry.CARD
    spec = spec_of(registry.parse_card(path.read_bytes(), path))
    with pace.step():
        runtime = _load_runtime(kind, model_dir, threads, spec)
    if known is not None and still_holds(runtime.run, spec.array_shape, known, pace):
        calibration = known
    else:
        max_images = max(1, min(max_batch_images, MAX_BATCH_BYTES // spec.image_bytes))
        calibration = calibrate(runtime.run, spec.array_shape, max_images, max_batch_ms, pace)
    check_answers(runtime.run, calibration.ms_of_size, spec, pace)
    return Engine(runtime, calibration, spec)


def _load_runtime(kind: EngineKind, model_dir: Path, threads: int, spec: ModelSpec) -> Runtime:
    """Load the file for `kind`. A version without it, such as an imported one, is run by the runtime of its file."""
    if kind in KERAS_BACKENDS and (model_dir / "model.keras").is_file():
        select_backend(kind)
        from worker.engine.keras import KerasRuntime

        return KerasRuntime(model_dir / "model.keras", threads)
    if (model_dir / "model.onnx").is_file():
        from worker.engine.onnx import OnnxRuntime

        return OnnxRuntime(model_dir / "model.onnx", threads, spec)
    from worker.engine.litert import LiteRTRuntime

    return LiteRTRuntime(model_dir / "model.tflite", threads, spec)


def replicate(engine: Engine, model_dir: Path, count: int, pace: Pace = FULL_SPEED) -> list[Engine]:
    """Return `count` more engines like `engine`, warmed. For a CPU, each has a runtime with one thread."""
    if engine.kind in KERAS_BACKENDS:
        return [Engine(engine.runtime, engine.calibration, engine.spec) for _ in range(count)]
    replicas = []
    for _ in range(count):
        runtime = _load_runtime(engine.kind, model_dir, 1, engine.spec)
        check_answers(runtime.run, engine.calibration.ms_of_size, engine.spec, pace)
        replicas.append(Engine(runtime, engine.calibration, engine.spec))
    return replicas
