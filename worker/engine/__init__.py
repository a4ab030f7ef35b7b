"""Engines, which run a version: `predict(uint8[N,H,W]) -> Answers`, or uint8[N,H,W,3] for colour.

All runtimes give the same answers.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from shared.answers import Answers, Stages
from shared.config.engine import KERAS_BACKENDS
from shared.contract.layers_blob import LayerOutput
from shared.contract.model_spec import MNIST_SPEC, ModelSpec, Stage, spec_of
from shared.images import Images, Probabilities
from shared.models import registry
from shared.shapes import MNIST_SHAPE
from worker.engine.calibrate import Calibration, add_sizes_between, calibrate, calibrate_cascade, still_holds
from worker.engine.check import check_answers, draw_digits, draw_patterns
from worker.engine.choose import EngineKind, select_backend
from worker.engine.pace import FULL_SPEED, Pace
from worker.engine.stages.acceptance import score
from worker.engine.stages.cascade import Step, decide, merge_layers, unsure_rows
from worker.engine.stages.network import Network, Pause, Runtime, no_pause

SMALL_FILE_BYTES = 512 << 10  # each batch size of a network on a CPU has memory of its own
SMALL_IMAGE_BYTES = 1 << 10
MAX_BATCH_BYTES = 4 << 20  # pixels of the largest batch: activations take a multiple of them in each engine


class Engine:
    """The networks of a version. Not thread-safe; releases the GIL while a network runs.

    A version has one network, or those of a cascade: see `worker/engine/stages/cascade.py`. `calibration` has the times
    of batches of realistic images.
    """

    def __init__(self, networks: Sequence[Network], calibration: Calibration, spec: ModelSpec = MNIST_SPEC) -> None:
        self.networks = networks
        self.calibration = calibration
        self.spec = spec
        self._shape = spec.array_shape
        self._accept_from = [stage.accept_from or 0.0 for stage in spec.networks]
        self._steps = self._steps_of(Network.predict)

    @property
    def rule(self) -> float:
        """Return the score from which the version accepts an answer, 0 without an acceptance rule."""
        return self.spec.acceptance.threshold if self.spec.acceptance else 0.0

    @property
    def kind(self) -> EngineKind:
        return self.networks[0].runtime.kind

    @property
    def best_batch_images(self) -> int:
        """The largest batch worth making."""
        return self.calibration.best_size

    def with_runtimes(self, runtimes: Sequence[Runtime]) -> "Engine":
        """Return an engine with the same batch sizes whose networks run in `runtimes`."""
        networks = [
            Network(runtime, network.calibration, self.spec.outputs, network.temperature)
            for runtime, network in zip(runtimes, self.networks, strict=True)
        ]
        return Engine(networks, self.calibration, self.spec)

    def worst_ms(self, images: int) -> float:
        """Return the time of a batch whose images visit all stages."""
        return sum(network.calibration.ms_of(images) for network in self.networks)

    def predict(self, images: Images, pause: Pause = no_pause) -> Answers:
        """Answer uint8[N,H,W] or uint8[N,H,W,3] in order, for any N. Raises ValueError, and the runtime's errors.

        `pause` is called before each run of a network, and runs are short then. It may use this engine, too.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self._shape:
            raise ValueError(f"expected {self._expected('N')}, got {images.dtype}{list(images.shape)}")
        if len(self.networks) == 1:
            return self._answers(self.networks[0].predict(images, pause))
        steps = self._steps if pause is no_pause else self._steps_of(partial(Network.predict, pause=pause))
        return self._answers(*decide(steps, images))

    def look_inside(self, images: Images) -> tuple[Answers, list[LayerOutput]]:
        """Answer one image and return the output of each layer too, like `Runtime.look_inside`.

        In a cascade, these are the layers of the stages that the image visits, as far as MAX_VALUES allows, and at
        least those of the stage that decides. Their names begin with the stage. Raises ValueError unless there is one
        image.
        """
        if images.dtype != np.uint8 or images.shape != (1, *self._shape):
            raise ValueError(f"expected {self._expected('1')}, got {images.dtype}{list(images.shape)}")
        if len(self.networks) == 1:
            probabilities, outputs = self.networks[0].look_inside(images)
            return self._answers(probabilities), outputs
        visited: list[list[LayerOutput]] = []

        def look(network: Network, image: Images) -> Probabilities:
            probabilities, outputs = network.look_inside(image)
            visited.append(outputs)
            return probabilities

        answers = self._answers(*decide(self._steps_of(look), images))
        return answers, merge_layers(visited)

    def _steps_of(self, predict: Callable[[Network, Images], Probabilities]) -> list[Step]:
        """Return the stages of a cascade, each of which calls `predict` with its network."""
        return [
            Step(partial(predict, network), accept_from)
            for network, accept_from in zip(self.networks, self._accept_from, strict=True)
        ]

    def _answers(self, outputs: Probabilities, stages: Stages | None = None) -> Answers:
        return Answers(*score(outputs, self.spec.acceptance), stages)

    def _expected(self, images: str) -> str:
        return f"uint8[{','.join([images, *map(str, self._shape)])}]"


def load_engine(
    kind: EngineKind,
    model_dir: Path,
    threads: int,
    max_batch_images: int = 256,
    max_batch_ms: float = 20.0,
    pace: Pace = FULL_SPEED,
    known: Sequence[Calibration] = (),
) -> Engine:
    """Load a published version, then warm and measure every batch size it will use. Blocks for up to seconds.

    `known` are the calibrations of the networks of an engine of the same architecture. Each is reused if a run of its
    best size takes as long here.

    Raises EngineFault for answers in the wrong order, ModelError for a card that cannot be used, OSError for one that
    cannot be read, and the errors of the runtime for files that do not load.
    """
    path = model_dir / registry.CARD
    spec = spec_of(registry.parse_card(path.read_bytes(), path))
    images = _realistic_images(spec)
    max_images = max(1, min(max_batch_images, MAX_BATCH_BYTES // spec.image_bytes))
    networks = []
    for number, stage in enumerate(spec.networks):
        with pace.step():
            runtime = _load_runtime(kind, model_dir / stage.file, threads, spec)
        if number < len(known) and still_holds(runtime.run, images, known[number], pace):
            calibration = known[number]
        else:
            calibration = calibrate(runtime.run, images, max_images, max_batch_ms, pace)
            if runtime.kind == "litert" and _is_small(model_dir / stage.file, spec):
                calibration = add_sizes_between(runtime.run, images, calibration, pace)
        check_answers(runtime.run, calibration.ms_of_size, spec, pace)
        networks.append(Network(runtime, calibration, spec.outputs, stage.temperature))
    calibrations = [network.calibration for network in networks]
    reached = _reached(networks, spec.networks, images, pace)
    return Engine(networks, calibrate_cascade(calibrations, reached, max_batch_ms), spec)


def replicate(engine: Engine, model_dir: Path, count: int, pace: Pace = FULL_SPEED) -> list[Engine]:
    """Return `count` more engines like `engine`, warmed. For a CPU, each has runtimes with one thread."""
    if engine.kind in KERAS_BACKENDS:
        return [engine.with_runtimes([network.runtime for network in engine.networks]) for _ in range(count)]
    replicas = []
    for _ in range(count):
        replica = engine.with_runtimes(load_runtimes(engine.kind, model_dir, 1, engine.spec))
        for network in replica.networks:
            check_answers(network.runtime.run, network.calibration.ms_of_size, engine.spec, pace)
        replicas.append(replica)
    return replicas


def load_runtimes(kind: EngineKind, model_dir: Path, threads: int, spec: ModelSpec) -> list[Runtime]:
    """Load the networks of a version. Raises the errors of the runtime for files that do not load."""
    return [_load_runtime(kind, model_dir / stage.file, threads, spec) for stage in spec.networks]


def _load_runtime(kind: EngineKind, model_file: Path, threads: int, spec: ModelSpec) -> Runtime:
    """Load the file for `kind`. A version without it, such as an imported one, is run by the runtime of its file."""
    keras_file, onnx_file = model_file.with_suffix(".keras"), model_file.with_suffix(".onnx")
    if kind in KERAS_BACKENDS and keras_file.is_file():
        select_backend(kind)
        from worker.engine.keras import KerasRuntime

        return KerasRuntime(keras_file, threads, spec)
    if onnx_file.is_file():
        from worker.engine.onnx import OnnxRuntime

        return OnnxRuntime(onnx_file, threads, spec)
    from worker.engine.litert import LiteRTRuntime

    return LiteRTRuntime(model_file, threads, spec)


def _is_small(file: Path, spec: ModelSpec) -> bool:
    """Return whether more batch sizes are worth their memory. Other runtimes would compile the network for each."""
    return file.stat().st_size <= SMALL_FILE_BYTES and spec.image_bytes <= SMALL_IMAGE_BYTES and spec.input.batch != 1


def _realistic_images(spec: ModelSpec) -> Images:
    """Return images on which a batch takes about as long as in service: drawn digits, or patterns of another shape."""
    return draw_digits() if spec.shape == MNIST_SHAPE else draw_patterns(spec.shape)


def _reached(networks: Sequence[Network], stages: Sequence[Stage], images: Images, pace: Pace) -> list[float]:
    """Return the share of `images` that reach each stage."""
    count = len(images)
    reached = [1.0]
    for network, stage in zip(networks[:-1], stages[:-1], strict=True):
        unsure = [images[:0]]
        for start in range(0, len(images), network.calibration.best_size):
            batch = images[start : start + network.calibration.best_size]
            with pace.step():
                outputs = network.predict(batch)
            unsure.append(batch[unsure_rows(outputs, stage.accept_from or 0.0)])
        images = np.concatenate(unsure)
        reached.append(len(images) / count)
    return reached
