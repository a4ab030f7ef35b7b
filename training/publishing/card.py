"""`model.json`, the card of a published version: what it is, where it came from, how good it is.

No runtime is imported here: `evaluate` writes cards where there is no TensorFlow.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.data.dataset import Split
from shared.images import CLASSES, IMAGE_SIDE, Probabilities
from shared.models import registry
from training.qa import statistics

if TYPE_CHECKING:
    import keras


def describe_model(model: "keras.Model") -> dict[str, Any]:
    """Return the part of a card that follows from the model alone."""
    return {
        "input": {"shape": [IMAGE_SIDE, IMAGE_SIDE], "dtype": "uint8", "range": [0, 255]},
        "labels": [str(digit) for digit in range(CLASSES)],
        "parameters": int(model.count_params()),
        "multiply_adds": multiply_adds(model),
        "layers": [describe_layer(layer) for layer in model.layers],
    }


def describe_layer(layer: "keras.layers.Layer") -> dict[str, Any]:
    """Return one row of the card's `layers`; `output_shape` is one image's, without the batch."""
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "output_shape": list(layer.output.shape[1:]),
        "parameters": int(layer.count_params()),
    }


def multiply_adds(model: "keras.Model") -> int:
    """Return the multiplications by a weight for one image: a kernel's weights times the places it is put.

    Layers without a kernel count as none: exporting folds scaling and normalisation into the kernels. A model inside
    counts as often as there are views of the image in the batch that it is given.
    """
    total, views = 0, 1
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += views * multiply_adds(layer)
        elif hasattr(layer, "kernel"):
            places: int = math.prod(layer.output.shape[1:-1])
            weights: int = math.prod(layer.kernel.shape)
            total += views * places * weights
        elif getattr(layer, "axis", None) == 0:  # images laid one behind the other
            views = len(layer.input)
    return total


def describe_quality(probabilities: Probabilities, split: Split, engine: str) -> dict[str, Any]:
    """Return the part of a card that says how well the images of `split` were read. probabilities float32[N,10]."""
    matrix = statistics.confusion(probabilities.argmax(axis=1), split.labels)
    correct, images = sum(row[digit] for digit, row in enumerate(matrix)), len(split.images)
    low, high = statistics.wilson_interval(correct, images)
    error = statistics.calibration_error(statistics.reliability(probabilities, split.labels))
    return {
        "accuracy": {
            "dataset": split.name,
            "images": images,
            "correct": correct,
            "accuracy": correct / images,
            "interval_95": [round(low, 6), round(high, 6)],
            "engine": engine,
        },
        "recall": {str(digit): round(recall, 5) for digit, recall in enumerate(statistics.recalls(matrix))},
        "calibration_error": round(error, 5),
    }


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """Return each file's SHA-256 by its name, in the names' order."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def write(directory: Path, card: dict[str, Any]) -> None:
    """Put the card into a version's directory; a reader sees the old one or the new one, never half."""
    partial = directory / f"{registry.CARD}.partial"
    partial.write_text(json.dumps(card, indent=2) + "\n")
    os.replace(partial, directory / registry.CARD)
