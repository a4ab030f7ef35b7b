"""The `number` command: train the network for numbers, or make a version of trained weights."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models import registry
from shared.shapes import NUMBER_MODEL, WINDOW_LABELS, WINDOW_SHAPE
from training import weights
from training.loop.numbers import confidence, network
from training.loop.numbers.strips import Strips, read
from training.loop.numbers.train import fit, right_of
from training.publishing import card, staging
from training.publishing.litert import convert


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
    """Write `number@version`. Its temperature and its threshold are fitted to the held-out strips.

    Raises ModelError for a network that reads less than `--min-right` of them.
    """
    lines = confidence.lines_of(model, held_out)
    temperature = confidence.temperature_of(lines)
    readings = confidence.readings_of(lines, temperature)
    threshold = confidence.threshold_of(readings, options.max_wrong)
    read_as = confidence.counts_of(readings, threshold)
    if read_as["right"] < options.min_right * read_as["numbers"]:
        raise ModelError(
            f"no version is written: {read_as['right']} of {read_as['numbers']} held-out numbers are read, with"
            f" {read_as['wrong']} wrong ones: train longer, or lower --min-right ({options.min_right:.0%})"
        )
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
            "acceptance": {"threshold": threshold, "none_label": True},
            "temperature": temperature,
            **card.describe_network(windows),
            "layer_outputs": None,
            "accuracy": None,
            "files": card.hash_files(directory.iterdir()),
            "training": record | {"held_out_numbers": read_as},
        }
        card.write(directory, described)
    return registry.load_version(options.models_dir, str(ModelRef(NUMBER_MODEL, options.version)))


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
