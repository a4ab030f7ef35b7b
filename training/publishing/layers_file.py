"""`layers.tflite`: a version's model with an output for each layer, for `?verbose=1`; and the command that adds it."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from shared.data.sample import draw
from shared.errors import ModelError
from shared.models import registry
from shared.models.layer_model import layer_model
from training import weights
from training.publishing import card
from training.publishing.litert import convert

FILE = "layers.tflite"
DIGITS = 5
SAME_PROBABILITY = 1e-5
SAME_SHARE = 1e-4  # of a layer's largest value: a convolution adds up in another order


def run(options: Namespace, command: str) -> None:
    """Give a published version its `layers.tflite`, made of its model.keras, and note it on its card.

    Raises ModelError for a version that is not there, and what `write` raises.
    """
    version = registry.load_version(options.models_dir, options.model)
    model, _ = weights.load(version.directory / "model.keras")
    outputs = write(version.directory, model)
    files = version.card["files"] | card.hash_files(version.directory.glob(FILE))
    card.write(version.directory, version.card | {"layer_outputs": outputs, "files": dict(sorted(files.items()))})
    told = f"Wrote {version.directory / FILE}, {len(outputs)} layers" if outputs else "its layers are too much to show"
    print(f"{version.ref}: {told}")


def write(directory: Path, model: keras.Model) -> list[dict[str, Any]] | None:
    """Put `layers.tflite` beside the model.tflite there, and return the card's `layer_outputs`: a row for each of the
    file's outputs `output_0`, `output_1`…, of which the last is the probabilities.

    None, and no file, where there would be too many values. Raises ModelError when the file's answers are not those of
    `model` and of model.tflite.
    """
    opened = layer_model(model)
    if opened is None:
        return None
    inside, rows = opened
    flatbuffer = convert(inside)
    file, plain = _File(flatbuffer), _File((directory / "model.tflite").read_bytes())
    outputs: list[dict[str, Any]] = []
    for digit in draw("test")[0][:DIGITS]:
        pixels = digit[None, ..., None].astype(np.float32)
        answers = file(pixels)
        for row, answer, truth in zip(rows, answers, inside(pixels, training=False), strict=True):
            _check(row.name, answer, np.asarray(truth), SAME_SHARE * max(1.0, float(np.abs(truth).max())))
        _check("probabilities", answers[-1], plain(pixels)[0], SAME_PROBABILITY)
        outputs = [
            {"name": row.name, "class": row.class_name, "shape": list(row.of_one_image(answer).shape)}
            for row, answer in zip(rows, answers, strict=True)
        ]
    (directory / FILE).write_bytes(flatbuffer)
    return outputs


class _File:
    """A LiteRT file as a function from float32[1,28,28,1] to its outputs in order."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
        self._run = self._interpreter.get_signature_runner()
        (self._input,) = self._run.get_input_details()

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        answers = self._run(**{self._input: pixels})
        return [answers[f"output_{number}"] for number in range(len(answers))]


def _check(name: str, answer: np.ndarray, truth: np.ndarray, tolerance: float) -> None:
    if answer.shape != truth.shape:
        raise ModelError(f"{FILE} has {list(answer.shape)} for {name}, expected {list(truth.shape)}")
    far = float(np.abs(answer - truth).max())
    if not far <= tolerance:
        raise ModelError(f"{FILE} is {far:g} off for {name}, more than {tolerance:g}")
