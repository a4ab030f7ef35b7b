"""The model registry: `models/<name>/<version>/{model.keras, model.tflite, model.json}`; `ls models/` lists it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.errors import ModelError

CARD = "model.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One published version. `card` is its model.json as it is."""

    name: str
    version: int
    directory: Path
    card: dict[str, Any]

    @property
    def ref(self) -> str:
        """`name@version`, the form that entries and results carry."""
        return f"{self.name}@{self.version}"


def model_names(models_dir: Path) -> list[str]:
    """Names that have at least one version, sorted."""
    if not models_dir.is_dir():
        return []
    return sorted(
        path.name for path in models_dir.iterdir() if _NAME.fullmatch(path.name) and versions(models_dir, path.name)
    )


def versions(models_dir: Path, name: str) -> list[int]:
    """Versions of `name`, oldest first; a folder without a model.json is none."""
    folder = models_dir / name
    if not _NAME.fullmatch(name) or not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if _VERSION.fullmatch(path.name) and (path / CARD).is_file()
    )


def load_version(models_dir: Path, ref: str) -> ModelVersion:
    """Find `name` (its latest version) or `name@version`.

    Raises ModelError, naming what was asked for and what there is.
    """
    name, _, wanted = ref.partition("@")
    known = versions(models_dir, name)
    if not known:
        there = ", ".join(model_names(models_dir)) or "none"
        raise ModelError(f"no model {name!r} in {models_dir}; there: {there}")
    if not wanted:
        version = known[-1]
    elif _VERSION.fullmatch(wanted) and int(wanted) in known:
        version = int(wanted)
    else:
        raise ModelError(f"no version {wanted!r} of model {name!r}; there: {', '.join(map(str, known))}")
    directory = models_dir / name / str(version)
    try:
        card = orjson.loads((directory / CARD).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{directory / CARD} cannot be read: {error}") from None
    if not isinstance(card, dict):
        raise ModelError(f"{directory / CARD} cannot be read: expected an object")
    return ModelVersion(name, version, directory, card)
