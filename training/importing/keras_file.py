"""The conversion of a Keras file or a SavedModel to a LiteRT file. Importing this file imports TensorFlow (seconds)."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from shared.errors import ModelError
from training.publishing.litert import convert

CHECKED_IMAGES = 4
TOLERANCE = 1e-3  # relative to the largest answer: LiteRT adds in another order than Keras


@dataclass(frozen=True, slots=True)
class Converted:
    """A Keras model and its LiteRT file. `scales` says whether it has a layer that scales the pixels."""

    flatbuffer: bytes
    model: keras.Model
    scales: bool


def convert_keras(path: Path, size: tuple[int, int] | None) -> Converted:
    """Convert a .keras or .h5 file. `size` is (height, width) for a model that takes images of any size.

    Raises ModelError for a file that Keras cannot load, or LiteRT cannot express, and if LiteRT answers differently.
    """
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # a file that is no model, an unknown layer, code in a Lambda layer …
        raise ModelError(f"{path} cannot be loaded by Keras {keras.__version__}: {_reason(error)}") from None
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or (len(getattr(model, "inputs", None) or [0]) != 1):
        raise ModelError(f"{path} does not have exactly one input of a known shape: export it with only the image")
    if None in shape[1:]:
        if size is None or len(shape) != 4:
            raise ModelError(f"{path} takes images of any size: choose one with --size HEIGHTxWIDTH")
        pixels = keras.Input((*size, shape[3]))
        model = keras.Model(pixels, model(pixels))
    elif isinstance(getattr(model, "input", None), list):  # as in files of Keras 2
        model = keras.Model(model.inputs[0], model.outputs[0])
    try:
        flatbuffer = convert(model)
    except Exception as error:  # the converter has no exceptions of its own
        raise ModelError(f"{path} cannot be converted to LiteRT: {_reason(error)}") from None
    _check(path, model, flatbuffer)
    return Converted(flatbuffer, model, any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers[:3]))


def convert_saved_model(path: Path) -> bytes:
    """Return the LiteRT file of a SavedModel's folder. Raises ModelError if TensorFlow cannot load or convert it."""
    try:
        flatbuffer: bytes = tf.lite.TFLiteConverter.from_saved_model(str(path)).convert()
    except Exception as error:
        raise ModelError(f"{path} cannot be converted to LiteRT: {_reason(error)}") from None
    return flatbuffer


def _check(path: Path, model: keras.Model, flatbuffer: bytes) -> None:
    """Compare LiteRT with Keras on random pixels. Raises ModelError if an answer differs."""
    interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    (model_input, *_), (output, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    for seed in range(CHECKED_IMAGES):
        pixels = np.random.default_rng(seed).random(model_input["shape"], np.float32)
        interpreter.set_tensor(model_input["index"], pixels.astype(model_input["dtype"]))
        interpreter.invoke()
        answer, expected = (
            interpreter.get_tensor(output["index"]),
            np.asarray(model(pixels, training=False)),
        )
        difference = float(np.abs(answer - expected).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise ModelError(f"{path} is converted wrongly: LiteRT's answers differ from Keras' by {difference:g}")


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [repr(error)])[0][:300]
