"""TensorFlow: for GPUs, and the oracle that LiteRT is held to. Importing this file imports TensorFlow (seconds)."""

import logging
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from shared.contract.layers_blob import LayerOutput, layer_output
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.layer_model import Row, layer_model

logger = logging.getLogger(__name__)


class TensorFlowRuntime:
    """A Keras model as one compiled function per batch size; XLA on a GPU."""

    kind: Final = "tensorflow"

    def __init__(self, model_file: Path, threads: int) -> None:
        gpu = _claim_gpu()
        if not gpu:
            _limit_threads(threads)
        self._model = tf.keras.models.load_model(model_file, compile=False)
        self._shape = self._model.input_shape[1:]
        self._predict = tf.function(self._forward, jit_compile=gpu)
        self._functions: dict[int, tf.types.experimental.ConcreteFunction] = {}
        self._layers: tuple[tf.types.experimental.GenericFunction, list[Row]] | None = None

    @property
    def traces(self) -> int:
        """Return the number of batch sizes that were traced and compiled."""
        return int(self._predict.experimental_get_tracing_count())

    def run(self, images: Images) -> Probabilities:
        """Run uint8[S,28,28] -> float32[S,10]. The first run of a size traces and compiles it."""
        size = len(images)
        if size not in self._functions:
            spec = tf.TensorSpec((size, *images.shape[1:]), tf.uint8)
            self._functions[size] = self._predict.get_concrete_function(spec)
        answer: Probabilities = self._functions[size](tf.constant(images)).numpy()
        return answer

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        """Do what `Runtime.look_inside` does. The first call traces the layers."""
        if self._layers is None:
            opened = layer_model(self._model)
            if opened is None:
                raise ModelError(f"{self._model.name} has too much in its layers to be shown")
            inside, rows = opened
            self._layers = tf.function(lambda pixels: inside(pixels, training=False)), rows
        run, rows = self._layers
        answers = [output.numpy() for output in run(tf.constant(image[..., None].astype(np.float32)))]
        outputs = [
            layer_output(row.name, row.class_name, row.of_one_image(values))
            for row, values in zip(rows, answers, strict=True)
        ]
        return answers[-1], outputs

    def _forward(self, images: tf.Tensor) -> tf.Tensor:
        pixels = tf.reshape(tf.cast(images, tf.float32), (-1, *self._shape))
        return self._model(pixels, training=False)


def sees_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _claim_gpu() -> bool:
    """Use the first GPU in CUDA_VISIBLE_DEVICES, and allocate its memory as needed. Returns whether one exists."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return False
    if len(gpus) > 1:
        logger.warning("%d GPUs are visible, using the first; CUDA_VISIBLE_DEVICES chooses", len(gpus))
        tf.config.set_visible_devices(gpus[0], "GPU")
    tf.config.experimental.set_memory_growth(gpus[0], True)
    return True


def _limit_threads(threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow already runs, for another model of this worker: its threads stay as they are
        logger.debug("TensorFlow is running already, its threads stay as they are")
