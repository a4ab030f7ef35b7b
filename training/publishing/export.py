"""The `export` command: convert trained weights into a version that the service can load."""

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import keras

from shared.contract.model_card import ModelCard
from shared.contract.model_ref import ModelRef
from shared.models import registry
from training import architecture, weights
from training.publishing import card, layers_file, staging
from training.publishing.litert import convert


def run(options: Namespace, command: str) -> None:
    """Export with the `options` of the command. Raises ModelError like `weights.load` and `export`."""
    model, training = weights.load(options.weights)
    if options.none_odds:
        architecture.weigh_none(model, options.none_odds)
        training = {**training, "none_odds": options.none_odds}
    curves = weights.curves_path(options.weights)
    version = export(
        model,
        options.models_dir,
        options.name,
        options.version,
        training=training,
        curves=curves if curves.is_file() else None,
        force=options.force,
    )
    print(f"Wrote {version.directory}: {', '.join(sorted(path.name for path in version.directory.iterdir()))}")


def export(
    model: keras.Model,
    models_dir: Path,
    name: str,
    version: int,
    *,
    training: dict[str, Any],
    curves: Path | None = None,
    force: bool = False,
) -> registry.ModelVersion:
    """Write `<models_dir>/<name>/<version>/` atomically. Raises ModelError if it exists, unless `force`."""
    with staging.staged(models_dir, name, version, replace=force) as directory:
        _write_files(directory, model, curves)
        described: ModelCard = {
            "name": name,
            "version": version,
            "architecture": training.get("architecture", ""),
            **card.describe_model(model),
            "layer_outputs": layers_file.write(directory, model),
            "accuracy": None,
            "files": card.hash_files(directory.iterdir()),
            "training": training,
        }
        card.write(directory, described)
    return registry.load_version(models_dir, str(ModelRef(name, version)))


def _write_files(directory: Path, model: keras.Model, curves: Path | None) -> None:
    model.save(directory / "model.keras")
    (directory / "model.tflite").write_bytes(convert(model))
    if curves is not None:
        shutil.copyfile(curves, directory / "curves.csv")
