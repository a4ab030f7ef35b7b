"""Writes a cascade: a self-contained version with the files of all of its stages."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.contract.model_card import LayerRow, ModelCard, StageRow
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import MODEL_FILE
from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from training.publishing import card, staging


class Part(NamedTuple):
    """A stage: the exported version of its network. `reached` is the share of images that reach the stage.

    `accept_from` is None for the last stage.
    """

    version: ModelVersion
    temperature: float
    accept_from: float | None
    reached: float


def assemble(
    parts: Sequence[Part], models_dir: Path, name: str, version: int, *, training: dict[str, Any], force: bool = False
) -> ModelVersion:
    """Write `<models_dir>/<name>/<version>/` atomically.

    Raises ModelError if it exists, unless `force`, and for networks that do not fit together.
    """
    check_fit([part.version for part in parts])
    with staging.staged(models_dir, name, version, replace=force) as directory:
        for number, part in enumerate(parts, start=1):
            for file in part.version.card["files"]:
                shutil.copyfile(part.version.directory / file, directory / stage_file(file, number))
        first = parts[0].version.card
        described: ModelCard = {
            **{key: first[key] for key in ("input", "output", "labels", "acceptance") if key in first},  # type: ignore[typeddict-item]
            "name": name,
            "version": version,
            "architecture": f"cascade of {len(parts)} networks: "
            + "; then ".join(part.version.card.get("architecture", "") for part in parts),
            "stages": [_row(part, number) for number, part in enumerate(parts, start=1)],
            "parameters": sum(part.version.card.get("parameters", 0) for part in parts),
            "multiply_adds": round(sum(part.reached * part.version.card.get("multiply_adds", 0) for part in parts)),
            "layers": _layers(parts),
            "layer_outputs": first.get("layer_outputs"),
            "accuracy": None,
            "files": card.hash_files(directory.iterdir()),
            "training": training,
        }
        card.write(directory, described)
    return registry.load_version(models_dir, str(ModelRef(name, version)))


def check_fit(versions: Sequence[ModelVersion]) -> None:
    """Raise ModelError unless all networks take the same images and have the same outputs."""
    first = versions[0]
    for each in versions:
        if each.spec.stages:
            raise ModelError(f"{each.directory} is a cascade itself: name its networks as stages")
        if MODEL_FILE not in each.card["files"]:
            raise ModelError(f"{each.directory} has no {MODEL_FILE}: only networks that LiteRT runs become stages")
        if (each.spec.input, each.spec.labels) != (first.spec.input, first.spec.labels):
            raise ModelError(f"{each.directory} and {first.directory} take other images or have other labels")
        if each.spec.outputs != first.spec.outputs:
            raise ModelError(
                f"{each.directory} has {each.spec.outputs} outputs and {first.directory} {first.spec.outputs}: "
                "either all networks know images of none of the labels, or none of them does"
            )


def stage_file(file: str, number: int) -> str:
    """Return the name of a stage's file in the cascade: `model.keras` of the second stage is `stage-2.keras`."""
    if number == 1:
        return file
    stem, dot, suffix = file.rpartition(".")
    return f"stage-{number}{dot}{suffix}" if stem == "model" else f"stage-{number}-{file}"


def _row(part: Part, number: int) -> StageRow:
    described = part.version.card
    row: StageRow = {
        "file": stage_file(MODEL_FILE, number),
        "temperature": part.temperature,
        "architecture": described.get("architecture", ""),
        "parameters": described.get("parameters", 0),
        "multiply_adds": described.get("multiply_adds", 0),
        "reached": round(part.reached, 5),
    }
    if part.accept_from is not None:
        row["accept_from"] = part.accept_from
    if number > 1:
        row["layer_outputs"] = described.get("layer_outputs")
    return row


def _layers(parts: Sequence[Part]) -> list[LayerRow]:
    """Return the layers of all stages, named like those of `?verbose=1`."""
    return [
        {**layer, "name": f"stage-{number}/{layer['name']}"}
        for number, part in enumerate(parts, start=1)
        for layer in part.version.card.get("layers") or []
    ]
