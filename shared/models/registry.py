"""The model registry: `models/<name>/<version>/{model.keras, model.tflite, model.json}`; `ls models/` lists it.

It is a folder, or what `shared/models/mirror.py` makes of a URL. The functions block as long as a disk does, or a
network.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from shared.contract.model_ref import VERSION, ModelRef
from shared.errors import ModelError

CARD = "model.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
MAX_BYTES = 16 << 20  # of a card, or of another file that is read whole


class Remote(Protocol):
    """A registry that is no folder of this machine. Every method raises ModelError where it cannot be reached."""

    def listing(self) -> dict[str, list[int]]:
        """The versions of each name, both in order; as it was a few seconds ago at most."""

    def fetch(self, name: str, version: int) -> Path | None:
        """A folder of this machine with the whole version in it; None where there is no such version."""

    def read(self, name: str, version: int, file: str) -> bytes | None:
        """What is in a file of a version now; None where it has none of that name."""


Registry = Path | Remote


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
        return str(ModelRef(self.name, self.version))


def list_models(registry: Registry) -> dict[str, list[int]]:
    """The versions of each name that has at least one, names sorted, oldest version first."""
    if not isinstance(registry, Path):
        return registry.listing()
    if not registry.is_dir():
        return {}
    known = {name: versions(registry, name) for name in sorted(path.name for path in registry.iterdir())}
    return {name: numbers for name, numbers in known.items() if numbers}


def model_names(registry: Registry) -> list[str]:
    """Names that have at least one version, sorted."""
    return list(list_models(registry))


def versions(registry: Registry, name: str) -> list[int]:
    """Versions of `name`, oldest first; a folder without a model.json is none."""
    if not isinstance(registry, Path):
        return registry.listing().get(name, [])
    folder = registry / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if VERSION.fullmatch(path.name) and (path / CARD).is_file()
    )


def load_version(registry: Registry, ref: str) -> ModelVersion:
    """Find `name` (its latest version) or `name@version`, with all of its files in a folder of this machine.

    Raises ModelError, naming what was asked for and what there is.
    """
    wanted = ModelRef.parse(ref)
    if wanted.label == "":
        wanted = ModelRef(wanted.name, next(reversed(versions(registry, wanted.name)), ""))
    is_known = wanted.is_version and NAME.fullmatch(wanted.name)
    directory = _directory(registry, wanted.name, wanted.version) if is_known else None
    if directory is None:
        raise ModelError(_not_there(registry, wanted))
    path = directory / CARD
    try:
        return ModelVersion(wanted.name, wanted.version, directory, parse_card(path.read_bytes(), path))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def read_file(registry: Registry, name: str, version: int, file: str) -> bytes | None:
    """What is in a small file of a version, `model.json` or one beside it; None where there is none.

    Raises ModelError for one of more than MAX_BYTES, or that cannot be read.
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
    """`data`, of which at most a byte more was read than may be. Raises ModelError."""
    if len(data) > MAX_BYTES:
        raise ModelError(f"{path} has more than {MAX_BYTES} bytes")
    return data


def read_card(registry: Registry, ref: str) -> dict[str, Any]:
    """The card of `name@version` without the version's other files. Raises ModelError."""
    wanted = ModelRef.parse(ref)
    is_known = wanted.is_version and NAME.fullmatch(wanted.name)
    data = read_file(registry, wanted.name, wanted.version, CARD) if is_known else None
    if data is None:
        raise ModelError(_not_there(registry, wanted))
    return parse_card(data, f"{registry}/{wanted.name}/{wanted.version}/{CARD}")


def parse_card(data: bytes, path: Path | str) -> dict[str, Any]:
    """Raises ModelError, naming `path`."""
    try:
        card = orjson.loads(data)
    except ValueError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(card, dict):
        raise ModelError(f"{path} cannot be read: expected an object")
    return card


def _directory(registry: Registry, name: str, version: int) -> Path | None:
    if not isinstance(registry, Path):
        return registry.fetch(name, version)
    directory = registry / name / str(version)
    return directory if (directory / CARD).is_file() else None


def _not_there(registry: Registry, ref: ModelRef) -> str:
    known = versions(registry, ref.name)
    if not known:
        return f"no model {ref.name!r} in {registry}; there: {', '.join(model_names(registry)) or 'none'}"
    return f"no version {str(ref.label)!r} of model {ref.name!r}; there: {', '.join(map(str, known))}"
