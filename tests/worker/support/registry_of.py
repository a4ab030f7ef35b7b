"""Registries made by hand, for tests: copies of the published model under other names and versions."""

import shutil
from pathlib import Path
from typing import Any

import orjson

from tests.support.processes import ROOT

PUBLISHED = ROOT / "models" / "cnn" / "1"


def publish(models_dir: Path, *refs: str, **card: Any) -> None:
    """Copy the published model as each `name@version`, with what of the card is to be another."""
    for ref in refs:
        name, _, version = ref.partition("@")
        staged = models_dir / f".{ref}"
        staged.mkdir(parents=True)
        for file in ("model.tflite", "model.keras"):
            shutil.copy(PUBLISHED / file, staged / file)
        whole = orjson.loads((PUBLISHED / "model.json").read_bytes()) | {"name": name, "version": int(version)} | card
        (staged / "model.json").write_bytes(orjson.dumps(whole))
        (models_dir / name).mkdir(exist_ok=True)
        staged.rename(models_dir / name / version)


def publish_broken(models_dir: Path, ref: str) -> None:
    """A version whose files are garbage."""
    publish(models_dir, ref)
    for file in ("model.tflite", "model.keras"):
        (models_dir / ref.replace("@", "/") / file).write_bytes(b"garbage" * 1000)
