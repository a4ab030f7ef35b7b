"""The model registry: `models/<name>/<version>/{model.keras, model.tflite, model.json}`.

It is a folder, or a URL (`shared/models/mirror.py`). The functions block on the disk or the network.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from shared.contract import model_card
from shared.contract.model_card import LayerOutputRow, ModelCard
from shared.contract.model_ref import VERSION, ModelRef
from shared.contract.model_spec import MODEL_FILE, ModelSpec, spec_of
from shared.errors import ModelError

CARD = "model.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
MAX_BYTES = 16 << 20  # size limit of files that are read into memory, such as cards


class Remote(Protocol):
    """A registry behind a URL. Every method raises ModelError if the registry cannot be reached."""

    def listing(self) -> dict[str, list[int]]:
        """Return the sorted versions of each name, in order of names. The listing may be some seconds old."""

    def fetch(self, name: str, version: int) -> Path | None:
        """Return a local folder with all files of the version, or None if it does not exist."""

    def read(self, name: str, version: int, file: str) -> bytes | None:
        """Return the current content of a version's file, or None if it does not exist."""


Registry = Path | Remote


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One published version. `card` is the content of its model.json."""

    name: str
    version: int
    directory: Path
    card: ModelCard

    @property
    def ref(self) -> str:
        """Return `name@version`, the form in entries and results."""
        return str(ModelRef(self.name, self.version))

    @property
    def spec(self) -> ModelSpec:
        """Return the fields of the card that decide about shape and meaning. Raises ModelError."""
        return spec_of(self.card)


def list_models(registry: Registry) -> dict[str, list[int]]:
    """Return the versions of each name that has any. Names are sorted, and the oldest version comes first."""
    if not isinstance(registry, Path):
        return registry.listing()
    if not registry.is_dir():
        return {}
    known = {name: versions(registry, name) for name in sorted(path.name for path in registry.iterdir())}
    return {name: numbers for name, numbers in known.items() if numbers}


def list_again(registry: Registry, known: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return the versions of each name. `known` are those of the last reading.

    Raises ModelError if all of them are gone at once: the registry is then not empty, but not mounted.
    """
    models = list_models(registry)
    if known and not models:
        raise ModelError(f"{registry} has no versions any more: mount or restore it, the versions known so far stay")
    return models


def model_names(registry: Registry) -> list[str]:
    """Return the sorted names of models that have at least one version."""
    return list(list_models(registry))


def versions(registry: Registry, name: str) -> list[int]:
    """Return the versions of `name`, the oldest first. A folder without a model.json is not a version."""
    if not isinstance(registry, Path):
        return registry.listing().get(name, [])
    folder = registry / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if VERSION.fullmatch(path.name) and (path / CARD).is_file()
    )


def load_version(registry: Registry, ref: str) -> ModelVersion:
    """Return `name@version`, or the latest version of `name`, with all files in a local folder.

    Raises ModelError with the available names or versions if it does not exist.
    """
    wanted = ModelRef.parse(ref)
    if wanted.label == "":
        wanted = ModelRef(wanted.name, next(reversed(versions(registry, wanted.name)), ""))
    is_known = wanted.is_version and NAME.fullmatch(wanted.name)
    directory = _directory(registry, wanted.name, wanted.version) if is_known else None
    if directory is None:
        raise ModelError(_unknown(registry, wanted))
    path = directory / CARD
    try:
        return ModelVersion(wanted.name, wanted.version, directory, parse_card(path.read_bytes(), path))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def read_file(registry: Registry, name: str, version: int, file: str) -> bytes | None:
    """Return the content of a version's small file, such as `model.json`, or None if it does not exist.

    Raises ModelError if it cannot be read or has more than MAX_BYTES.
    """
    if not isinstance(registry, Path):
        return registry.read(name, version, file)
    path = registry / name / str(version) / file
    try:
        with path.open("rb") as opened:
            return bounded(opened.read(MAX_BYTES + 1), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def bounded(data: bytes, path: Path | str) -> bytes:
    """Return `data`, which was read up to one byte over the limit. Raises ModelError if it exceeds the limit."""
    if len(data) > MAX_BYTES:
        raise ModelError(f"{path} has more than {MAX_BYTES} bytes")
    return data


def read_card(registry: Registry, ref: str) -> ModelCard:
    """Return the card of `name@version` without fetching other files. Raises ModelError."""
    wanted = ModelRef.parse(ref)
    is_known = wanted.is_version and NAME.fullmatch(wanted.name)
    data = read_file(registry, wanted.name, wanted.version, CARD) if is_known else None
    if data is None:
        raise ModelError(_unknown(registry, wanted))
    return parse_card(data, f"{registry}/{wanted.name}/{wanted.version}/{CARD}")


def parse_card(data: bytes, path: Path | str) -> ModelCard:
    """Read a card. Raises ModelError with the `path` if it is malformed."""
    try:
        return model_card.parse_card(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def layers_file(model_file: str) -> str:
    """Return the name of the file with the layers of a network: `layers.tflite`, or `stage-2-layers.tflite`."""
    return "layers.tflite" if model_file == MODEL_FILE else f"{Path(model_file).stem}-layers.tflite"


def layer_rows(card: ModelCard, model_file: str) -> list[LayerOutputRow] | None:
    """Return the card's rows for the outputs of `layers_file(model_file)`, or None if there is no such file."""
    if model_file == MODEL_FILE:
        return card.get("layer_outputs")
    return next((stage.get("layer_outputs") for stage in card.get("stages", []) if stage["file"] == model_file), None)


def _directory(registry: Registry, name: str, version: int) -> Path | None:
    if not isinstance(registry, Path):
        return registry.fetch(name, version)
    directory = registry / name / str(version)
    return directory if (directory / CARD).is_file() else None


def _unknown(registry: Registry, ref: ModelRef) -> str:
    known = versions(registry, ref.name)
    if not known:
        return f"no model {ref.name!r} in {registry}; available: {', '.join(model_names(registry)) or 'none'}"
    return f"no version {str(ref.label)!r} of model {ref.name!r}; available: {', '.join(map(str, known))}"
