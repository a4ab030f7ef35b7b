"""The state of a run that was cut short: which run it was, and how many of its epochs are done."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from shared.errors import ModelError

IDENTITY = "run.json"
KERAS_STATE = "state"
KERAS_RECORD = "training_metadata.json"  # BackupAndRestore's own


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder of one run, written after each of its epochs and removed at its end."""

    folder: Path
    epochs_done: int

    @property
    def callback(self) -> keras.callbacks.Callback:
        """Writes the state, and reads it when the training begins."""
        return keras.callbacks.BackupAndRestore(self.folder / KERAS_STATE)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def open_checkpoint(folder: Path, identity: dict[str, Any], resume: bool) -> Checkpoint:
    """The checkpoint of the run that `identity` (JSON-able) describes; without `resume` it starts empty.

    Raises ModelError when the one that is there is of another run.
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
            raise ModelError(f"{folder} is of another run, {found}: train without --resume to replace it")
        record = folder / KERAS_STATE / KERAS_RECORD
        return int(json.loads(record.read_text())["epoch"]) if record.exists() else 0
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} cannot be read: {error}; train without --resume to replace it") from None
