"""Trained weights on disk: a file, and next to it a record of the training run."""

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
    """Raise ModelError if `path` has none of the known suffixes. Call this before training, too."""
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{path}: the name of a weights file must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def save(model: keras.Model, path: Path, training: dict[str, Any]) -> None:
    """Write the whole model as `.keras`, or only its weights as HDF5. Write `training` to `<path>.json`."""
    check_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".keras":
        model.save(path)
    else:
        # Keras writes HDF5 weights only to files with this suffix.
        exact = path.with_name(f"{path.name}.weights.h5")
        model.save_weights(exact)
        os.replace(exact, path)
    record_path(path).write_text(json.dumps(training, indent=2) + "\n")


def load(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Return the model and the record of its training, which is {} if there is no record.

    `ENSEMBLE.keras:2` is the second network of an ensemble. HDF5 weights are loaded into the network that the record
    names, or into `cnn`. Raises ModelError for a file that is missing or cannot be loaded.
    """
    path, member = _split_member(path)
    check_name(path)
    if not path.is_file():
        raise ModelError(f"{path} is missing: create it with `python -m training train --weights {path}`")
    try:
        record = _record(path)
        if path.suffix == ".keras":
            model = keras.saving.load_model(path, compile=False)
        else:
            model = _load_weights(path, record.get("network", "cnn"))
        if member:
            model, record = model.get_layer(f"member{member}"), record["members"][member - 1]["training"]
            model.trainable = True
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{path} cannot be loaded: {error}") from error
    return model, record


def origin(path: Path) -> dict[str, Any]:
    """Return name, hash and training record of weights, for records of their use. Raises OSError and ValueError."""
    file, member = _split_member(path)
    record = _record(file)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "training": record["members"][member - 1]["training"] if member else record,
    }


def _split_member(path: Path) -> tuple[Path, int]:
    """Return `a.keras:2` as (`a.keras`, 2). The number is 0 if the path names a whole model."""
    name, colon, member = path.name.rpartition(":")
    return (path.with_name(name), int(member)) if colon and member.isdecimal() else (path, 0)


def _record(path: Path) -> dict[str, Any]:
    """Read the record next to the weights, or from the card of a published version."""
    if record_path(path).is_file():
        record: dict[str, Any] = json.loads(record_path(path).read_text())
        return record
    card = path.with_name(CARD)
    return json.loads(card.read_text())["training"] if card.is_file() else {}


def _load_weights(path: Path, network: str) -> keras.Model:
    model = architecture.build(network)
    with tempfile.TemporaryDirectory() as directory:
        exact = Path(directory, "model.weights.h5")  # Keras also reads only files with this suffix
        exact.symlink_to(path.resolve())
        model.load_weights(exact)
    return model


def record_path(path: Path) -> Path:
    """Return the path of the training record."""
    return path.with_name(f"{path.name}.json")


def checkpoint_path(path: Path) -> Path:
    """Return the path of the checkpoint from which an interrupted run can resume."""
    return path.with_name(f"{path.name}.checkpoint")


def curves_path(path: Path) -> Path:
    """Return the path of the loss and accuracy per epoch."""
    return path.with_name(f"{path.name}.csv")
