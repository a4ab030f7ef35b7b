"""The `export` command: from trained weights to a version that the service can load."""

import os
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import keras

from shared import registry
from shared.errors import ModelError
from training import card, layers, weights
from training.litert import convert


def run(options: Namespace, command: str) -> None:
    """Publish as `options` of `training/__main__.py` say. Raises what `weights.load` and `publish` raise."""
    model, training = weights.load(options.weights)
    curves = weights.curves_path(options.weights)
    version = publish(
        model,
        options.models_dir,
        options.name,
        options.version,
        training=training,
        curves=curves if curves.is_file() else None,
        force=options.force,
    )
    print(f"Wrote {version.directory}: {', '.join(sorted(path.name for path in version.directory.iterdir()))}")


def publish(
    model: keras.Model,
    models_dir: Path,
    name: str,
    version: int,
    *,
    training: dict[str, Any],
    curves: Path | None = None,
    force: bool = False,
) -> registry.ModelVersion:
    """Write `models/<name>/<version>/` whole or not at all, and return it.

    Raises ModelError when that version is there already, unless `force` replaces it, and when the registry
    would not find it under that name and version.
    """
    target = models_dir / name / str(version)
    if target.exists() and not force:
        raise ModelError(f"{target} is published already: choose another --version, or replace it with --force")
    models_dir.mkdir(parents=True, exist_ok=True)
    # A registry of its own, on the same disk: the registry's reader checks it before anyone can see it.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=models_dir) as staging:
        staged = Path(staging, name, str(version))
        staged.mkdir(parents=True)
        _write_files(staged, model, curves)
        header = {"name": name, "version": version, "architecture": training.get("architecture", "")}
        outputs = layers.write(staged, model)
        rest = {
            "layer_outputs": outputs,
            "accuracy": None,
            "files": card.hash_files(staged.iterdir()),
            "training": training,
        }
        card.write(staged, header | card.describe_model(model) | rest)
        registry.load_version(Path(staging), f"{name}@{version}")
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            os.rename(target, Path(staging, "replaced"))
        os.rename(staged, target)
    return registry.load_version(models_dir, f"{name}@{version}")


def _write_files(directory: Path, model: keras.Model, curves: Path | None) -> None:
    model.save(directory / "model.keras")
    (directory / "model.tflite").write_bytes(convert(model))
    if curves is not None:
        shutil.copyfile(curves, directory / "curves.csv")
