"""`model.json`, the card of a version: its description, origin and quality.

This module imports no runtime, because `evaluate` also writes cards on machines without TensorFlow.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contract.model_card import LayerRow, ModelCard, Quality
from shared.data.dataset import Split
from shared.images import Probabilities
from shared.models import registry
from shared.shapes import CLASSES, IMAGE_SIDE
from training.qa import statistics
from training.qa.report import report

if TYPE_CHECKING:
    import keras

UNFITTED_THRESHOLD = 0.5


def describe_model(model: "keras.Model") -> ModelCard:
    """Return the part of a card that describes the model.

    A model with one output more than there are labels has an acceptance rule, which `evaluate --write --lose` fits.
    """
    described: ModelCard = {
        "input": {"shape": [IMAGE_SIDE, IMAGE_SIDE], "dtype": "uint8", "range": [0, 255]},
        "labels": [str(digit) for digit in range(CLASSES)],
        **describe_network(model),
    }
    if model.output.shape[-1] == CLASSES + 1:
        described["acceptance"] = {"threshold": UNFITTED_THRESHOLD, "none_label": True}
    return described


def describe_network(model: "keras.Model") -> ModelCard:
    """Return the size and the layers of the model."""
    return {
        "parameters": int(model.count_params()),
        "multiply_adds": multiply_adds(model),
        "layers": [describe_layer(layer) for layer in model.layers],
    }


def describe_layer(layer: "keras.layers.Layer") -> LayerRow:
    """Return one row of the card's `layers`. `output_shape` has no batch dimension."""
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "output_shape": list(layer.output.shape[1:]),
        "parameters": int(layer.count_params()),
    }


def multiply_adds(model: "keras.Model") -> int:
    """Return the number of multiplications by a weight for one image: the size of each kernel times its positions.

    Layers without a kernel count 0, because exporting folds scaling and normalisation into the kernels. A nested model
    counts once for each view of the image in its batch.
    """
    total, views = 0, 1
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += views * multiply_adds(layer)
        elif hasattr(layer, "kernel"):
            positions: int = math.prod(layer.output.shape[1:-1])
            weights: int = math.prod(layer.kernel.shape)
            total += views * positions * weights
        elif getattr(layer, "axis", None) == 0:  # joins the views of an image to a batch
            views = len(layer.input)
    return total


def describe_quality(probabilities: Probabilities, split: Split, engine: str) -> Quality:
    """Return the part of a card that describes the accuracy on `split`, given its answers float32[N,K]."""
    predictions = probabilities.argmax(axis=1)
    correct, images = int((predictions == split.labels).sum()), len(split.images)
    recalls = statistics.recalls(predictions, split.labels, len(split.label_names))
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
        "recall": {name: round(recall, 5) for name, recall in zip(split.label_names, recalls, strict=True)},
        "calibration_error": round(error, 5),
    }


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by file name, sorted by path."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def write(directory: Path, card: ModelCard) -> None:
    """Write the card to a version's directory atomically."""
    report.write(directory / registry.CARD, json.dumps(card, indent=2) + "\n")
