"""Trained weights on disk: one file, and beside it how they came about."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras

from shared.errors import ModelError
from shared.models.registry import CARD
from training import architecture

SUFFIXES = (".keras", ".h5", ".hdf5")


def check_name(path: Path) -> None:
    """Raise ModelError when `path` ends in none of the known suffixes; to be asked before training, too."""
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{path}: a weights file ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def save(model: keras.Model, path: Path, training: dict[str, Any]) -> None:
    """Write the whole model as `.keras`, or its weights alone as HDF5; `training` goes to `<path>.json`."""
    check_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".keras":
        model.save(path)
    else:
        # Keras writes HDF5 weights under this one ending only.
        exact = path.with_name(f"{path.name}.weights.h5")
        model.save_weights(exact)
        os.replace(exact, path)
    record_path(path).write_text(json.dumps(training, indent=2) + "\n")


def load(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Return the model and how it was trained, {} where nothing beside the weights says so.

    `ENSEMBLE.keras:2` is the second network of an ensemble. HDF5 weights go into the network that the record names,
    `cnn` where there is none. Raises ModelError when there is no such file, or one that will not load.
    """
    path, member = _split_member(path)
    check_name(path)
    if not path.is_file():
        raise ModelError(f"{path} is missing: `python -m training train --weights {path}` makes it")
    try:
        record = _record(path)
        model = _load_whole(path) if path.suffix == ".keras" else _load_weights(path, record.get("network", "cnn"))
        if member:
            model, record = model.get_layer(f"member{member}"), record["members"][member - 1]["training"]
            model.trainable = True
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{path} will not load: {error}") from error
    return model, record


def origin(path: Path) -> dict[str, Any]:
    """Return what a record says of weights that something was made from. Raises OSError and ValueError."""
    file, member = _split_member(path)
    record = _record(file)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "training": record["members"][member - 1]["training"] if member else record,
    }


def _split_member(path: Path) -> tuple[Path, int]:
    """Of `a.keras:2` the file and 2; 0 where it names a whole model."""
    name, colon, member = path.name.rpartition(":")
    return (path.with_name(name), int(member)) if colon and member.isdecimal() else (path, 0)


def _record(path: Path) -> dict[str, Any]:
    """Beside weights, or on the card of a published version."""
    if record_path(path).is_file():
        record: dict[str, Any] = json.loads(record_path(path).read_text())
        return record
    card = path.with_name(CARD)
    return json.loads(card.read_text())["training"] if card.is_file() else {}


def _load_whole(path: Path) -> keras.Model:
    return keras.saving.load_model(path, compile=False)


def _load_weights(path: Path, network: str) -> keras.Model:
    model = architecture.build(network)
    with tempfile.TemporaryDirectory() as directory:
        exact = Path(directory, "model.weights.h5")  # Keras reads them under this one ending only, too
        exact.symlink_to(path.resolve())
        model.load_weights(exact)
    return model


def record_path(path: Path) -> Path:
    """Where the record of the training run lies."""
    return path.with_name(f"{path.name}.json")


def checkpoint_path(path: Path) -> Path:
    """Where a run that was cut short can go on from."""
    return path.with_name(f"{path.name}.checkpoint")


def curves_path(path: Path) -> Path:
    """Where the loss and accuracy of each epoch lie."""
    return path.with_name(f"{path.name}.csv")
