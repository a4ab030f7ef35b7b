"""The `layers` command and `layers.tflite`: a version's model with an output for each layer, for `?verbose=1`."""

from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.contract.model_card import LayerOutputRow
from shared.data.sample import draw
from shared.errors import ModelError
from shared.models import registry
from shared.models.layer_model import layer_model
from training import weights
from training.publishing import card
from training.publishing.litert import convert

FILE = "layers.tflite"
CHECKED_IMAGES = 5
PROBABILITY_TOLERANCE = 1e-5
LAYER_TOLERANCE = 1e-4  # relative to a layer's largest value: LiteRT adds in another order than Keras


def run(options: Namespace, command: str) -> None:
    """Add `layers.tflite`, made from model.keras, to a published version and to its card. Raises ModelError."""
    version = registry.load_version(options.models_dir, options.model)
    model, _ = weights.load(version.directory / "model.keras")
    outputs = write(version.directory, model)
    files = version.card["files"] | card.hash_files(version.directory.glob(FILE))
    card.write(version.directory, version.card | {"layer_outputs": outputs, "files": dict(sorted(files.items()))})
    result = (
        f"Wrote {version.directory / FILE}, {len(outputs)} layers" if outputs else "too many values to write layers"
    )
    print(f"{version.ref}: {result}")


def write(directory: Path, model: keras.Model) -> list[LayerOutputRow] | None:
    """Write `layers.tflite` next to the model.tflite in `directory` and return the card's `layer_outputs`.

    `layer_outputs` has a row for each output `output_0`, `output_1`… of the file; the last one is the probabilities.
    Writes no file and returns None if the layers have too many values. Raises ModelError if the answers of the file
    differ from those of `model` or of model.tflite.
    """
    model_and_rows = layer_model(model)
    if model_and_rows is None:
        return None
    layered, rows = model_and_rows
    flatbuffer = convert(layered)
    layers_file, model_file = _LiteRTModel(flatbuffer), _LiteRTModel((directory / "model.tflite").read_bytes())
    outputs: list[LayerOutputRow] = []
    for digit in draw("test")[0][:CHECKED_IMAGES]:
        pixels = digit[None, ..., None].astype(np.float32)
        answers = layers_file(pixels)
        for row, answer, expected in zip(rows, answers, layered(pixels, training=False), strict=True):
            tolerance = LAYER_TOLERANCE * max(1.0, float(np.abs(expected).max()))
            _check(row.name, answer, np.asarray(expected), tolerance)
        _check("probabilities", answers[-1], model_file(pixels)[0], PROBABILITY_TOLERANCE)
        outputs = [
            {"name": row.name, "class": row.class_name, "shape": list(row.of_one_image(answer).shape)}
            for row, answer in zip(rows, answers, strict=True)
        ]
    (directory / FILE).write_bytes(flatbuffer)
    return outputs


class _LiteRTModel:
    """A LiteRT model as a function from float32[1,28,28,1] to the list of its outputs."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
        self._run = self._interpreter.get_signature_runner()
        (self._input,) = self._run.get_input_details()

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        answers = self._run(**{self._input: pixels})
        return [answers[f"output_{number}"] for number in range(len(answers))]


def _check(name: str, answer: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    if answer.shape != expected.shape:
        raise ModelError(f"{FILE} has shape {list(answer.shape)} for {name}, expected {list(expected.shape)}")
    difference = float(np.abs(answer - expected).max())
    if not difference <= tolerance:
        raise ModelError(f"{FILE} is {difference:g} off for {name}, more than {tolerance:g}")
