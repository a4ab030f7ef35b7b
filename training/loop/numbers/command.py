"""The `number` command: train the network for numbers, or make a version of trained weights."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models import registry
from shared.shapes import NUMBER_MODEL, WINDOW_LABELS, WINDOW_SHAPE
from training import weights
from training.loop.numbers import network
from training.loop.numbers.strips import Strips, batches, read
from training.loop.numbers.train import fit, right_of
from training.publishing import card, staging
from training.publishing.litert import convert

TEMPERATURES = np.geomspace(0.6, 2.4, 11)  # tried


def run(options: Namespace, command: str) -> None:
    """Train for `--seconds`, and write a version with `--version`. Raises ModelError, and DatasetError for strips."""
    if not options.seconds and options.start is None:
        raise ModelError("nothing to do: train with --seconds, or name trained weights with --start")
    held_out = read([options.held_out])
    start = weights.load(options.start)[0] if options.start else None
    model = start
    if options.seconds:
        model = fit(read(options.strips), held_out, options.seconds, options.seed, options.learning_rate, start)
    assert model is not None
    record = _record(options, command)
    weights.save(model, options.weights, record)
    print(f"Wrote {options.weights}: {right_of(model, held_out):.2%} of the held-out strips right")
    if options.version:
        version = write_version(model, held_out, options, record)
        print(f"Wrote {version.directory}")


def write_version(
    model: keras.Model, held_out: Strips, options: Namespace, record: dict[str, Any]
) -> registry.ModelVersion:
    """Write `number@version`. Its temperature is fitted to the held-out strips."""
    windows = network.window_network(model)
    height, width, channels = WINDOW_SHAPE
    with staging.staged(options.models_dir, NUMBER_MODEL, options.version, replace=options.force) as directory:
        windows.save(directory / "model.keras")
        (directory / "model.tflite").write_bytes(convert(windows))
        described: ModelCard = {
            "name": NUMBER_MODEL,
            "version": options.version,
            "architecture": f"{network.DESCRIPTION}, for each window of a line of digits",
            "input": {"height": height, "width": width, "channels": channels, "values": "0..255"},
            "labels": list(WINDOW_LABELS),
            "acceptance": {"threshold": options.threshold, "none_label": True},
            "temperature": temperature_of(model, held_out),
            **card.describe_network(windows),
            "layer_outputs": None,
            "accuracy": None,
            "files": card.hash_files(directory.iterdir()),
            "training": record | {"held_out_strips_right": round(right_of(model, held_out), 4)},
        }
        card.write(directory, described)
    return registry.load_version(options.models_dir, str(ModelRef(NUMBER_MODEL, options.version)))


def temperature_of(model: keras.Model, strips: Strips) -> float:
    """Return the temperature under which the signs of the strips are most likely."""
    answers = [(np.asarray(model(pixels, training=False)), signs) for pixels, signs in batches(strips, None)]
    costs = []
    for each in TEMPERATURES.astype(np.float32):
        losses = [np.asarray(network.loss(signs, logits / each)) for logits, signs in answers]
        costs.append(float(np.concatenate(losses).mean()))
    return round(float(TEMPERATURES[int(np.argmin(costs))]), 4)


def _record(options: Namespace, command: str) -> dict[str, Any]:
    return {
        "command": command,
        "architecture": network.DESCRIPTION,
        "start": weights.origin(options.start) if options.start else None,
        "strips": _hashes(options.strips) if options.seconds else {},
        "held_out": _hashes([options.held_out]),
        "seed": options.seed,
        "seconds": options.seconds,
    }


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    return card.hash_files(paths)
