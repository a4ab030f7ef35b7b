"""Checkpoints of training runs: which run it is, and how many of its epochs are done."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from shared.errors import ModelError

IDENTITY = "run.json"
KERAS_STATE = "state"
KERAS_RECORD = "training_metadata.json"  # written by keras.callbacks.BackupAndRestore


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The checkpoint folder of one run, written after each epoch and removed at the end of the run."""

    folder: Path
    epochs_done: int

    @property
    def callback(self) -> keras.callbacks.Callback:
        """A callback that saves the state after each epoch and restores it when training begins."""
        return keras.callbacks.BackupAndRestore(self.folder / KERAS_STATE)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def open_checkpoint(folder: Path, identity: dict[str, Any], resume: bool) -> Checkpoint:
    """Return the checkpoint of the run that `identity` describes, an empty one unless `resume`.

    `identity` must be serialisable as JSON. Raises ModelError if the existing checkpoint belongs to another run.
    """
    if resume and folder.exists():
        return Checkpoint(folder, _epochs_done(folder, identity))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / IDENTITY).write_text(json.dumps(identity))
    return Checkpoint(folder, 0)


def _epochs_done(folder: Path, identity: dict[str, Any]) -> int:
    try:
        found = json.loads((folder / IDENTITY).read_text())
        if found != identity:
            raise ModelError(f"{folder} belongs to another run, {found}: train without --resume to replace it")
        record = folder / KERAS_STATE / KERAS_RECORD
        return int(json.loads(record.read_text())["epoch"]) if record.exists() else 0
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} cannot be read: {error}; train without --resume to replace it") from None
