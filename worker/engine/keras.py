"""Keras on the backend of TensorFlow or JAX: for GPUs, and the reference that LiteRT is compared with.

Importing this file imports Keras and its backend, which takes seconds. `worker/engine/choose.py` names the backend.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import numpy.typing as npt

from shared.contract.layers_blob import LayerOutput, layer_output
from shared.contract.model_spec import MNIST_SPEC, InputSpec, ModelSpec
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.layer_model import Row, layer_model
from worker.engine.choose import EngineKind
from worker.engine.tensors import normalize, read_probabilities

logger = logging.getLogger(__name__)

Arrays = list[npt.NDArray[np.float32]]


class KerasRuntime:
    """A Keras model, compiled once per batch size. Pixels are uint8 until they are on the device.

    `run` may be called from several threads at a time, after the first run of a size.
    """

    def __init__(self, model_file: Path, threads: int, spec: ModelSpec = MNIST_SPEC) -> None:
        """Raises the errors of Keras for a file that does not load. JAX on a CPU uses all cores, not `threads`."""
        self._spec = spec
        self._compile = _compile_with_jax if self.kind == "jax" else _tensorflow_compiler(threads)
        self._model = keras.saving.load_model(model_file, compile=False)
        self._forward = self._compile(self._model, spec.input)
        self._layers: tuple[Callable[[Images], Arrays], list[Row]] | None = None
        self._sizes: set[int] = set()

    @property
    def kind(self) -> EngineKind:
        return cast(EngineKind, keras.backend.backend())

    @property
    def compiled_sizes(self) -> Sequence[int]:
        """Return the batch sizes that were compiled, in order."""
        return sorted(self._sizes)

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,H,W] or uint8[S,H,W,C] -> float32[S,K]. The first run of a size compiles it for seconds."""
        (answer,) = self._forward(images)
        self._sizes.add(len(images))
        return read_probabilities(answer, self._spec.output)

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Do what `Runtime.look_inside` does. The first call compiles the layers."""
        if self._layers is None:
            opened = layer_model(self._model)
            if opened is None:
                raise ModelError(f"{self._model.name} has too much in its layers to be shown")
            inside, rows = opened
            self._layers = self._compile(inside, self._spec.input), rows
        run, rows = self._layers
        answers = run(image)
        outputs = [
            layer_output(row.name, row.class_name, row.of_one_image(values))
            for row, values in zip(rows, answers, strict=True)
        ]
        return read_probabilities(answers[-1], self._spec.output), outputs


def _as_input(pixels: Any, spec: InputSpec, model: keras.Model) -> Any:
    """Return what the model takes for pixels float32[S,H,W] or [S,H,W,C], in operations of Keras' backend."""
    if spec.values != "0..255" or spec.layout == "NCHW":
        pixels = keras.ops.reshape(pixels, (-1, spec.height, spec.width, spec.channels))
        pixels = normalize(pixels, spec.values)
    if spec.layout == "NCHW":
        pixels = keras.ops.transpose(pixels, (0, 3, 1, 2))
    return keras.ops.reshape(pixels, (-1, *model.input_shape[1:]))


def _compile_with_jax(model: keras.Model, spec: InputSpec) -> Callable[[Images], Arrays]:
    """Return a function from uint8[S,...] to the model's outputs, which JAX compiles at the first call of each S.

    Products are computed in full float32: a GPU's TensorFloat-32 would change the third digit of a probability.
    """
    import jax

    if len(devices := jax.local_devices()) > 1:
        logger.warning("JAX sees %d devices and uses %s; CUDA_VISIBLE_DEVICES chooses", len(devices), devices[0])

    def forward(variables: tuple[list[Any], list[Any]], images: Any) -> list[Any]:
        pixels = _as_input(images.astype(np.float32), spec, model)
        with jax.default_matmul_precision("float32"):
            outputs, _ = model.stateless_call(*variables, pixels, training=False)
        return outputs if isinstance(outputs, list) else [outputs]

    compiled = jax.jit(forward)
    variables = (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )
    return lambda images: [np.asarray(output) for output in jax.device_get(compiled(variables, images))]


def _tensorflow_compiler(threads: int) -> Callable[[keras.Model, InputSpec], Callable[[Images], Arrays]]:
    """Return what `_compile_with_jax` is for JAX. Only on a GPU, TensorFlow compiles with XLA."""
    import tensorflow as tf

    gpu = _claim_gpu()
    if not gpu:
        _limit_threads(threads)

    def compiled(model: keras.Model, spec: InputSpec) -> Callable[[Images], Arrays]:
        def forward(images: Any) -> list[Any]:
            outputs = model(_as_input(tf.cast(images, tf.float32), spec, model), training=False)
            return outputs if isinstance(outputs, list) else [outputs]

        function = tf.function(forward, jit_compile=gpu)
        by_size: dict[int, Any] = {}  # looking up the function of a shape costs TensorFlow more than a small batch

        def run(images: Images) -> Arrays:
            if len(images) not in by_size:
                by_size[len(images)] = function.get_concrete_function(tf.TensorSpec(images.shape, tf.uint8))
            return [output.numpy() for output in by_size[len(images)](tf.constant(images))]

        return run

    return compiled


def _claim_gpu() -> bool:
    """Use the first GPU in CUDA_VISIBLE_DEVICES, and allocate its memory as needed. Returns whether one exists."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return False
    if len(gpus) > 1:
        logger.warning("%d GPUs are visible, using the first; CUDA_VISIBLE_DEVICES chooses", len(gpus))
        tf.config.set_visible_devices(gpus[0], "GPU")
    tf.config.experimental.set_memory_growth(gpus[0], True)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return True


def _limit_threads(threads: int) -> None:
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow already runs, for another model of this worker: its threads stay as they are
        logger.debug("TensorFlow is running already, its threads stay as they are")
