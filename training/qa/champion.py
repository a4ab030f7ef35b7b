"""Whom a version is compared with."""

from pathlib import Path

from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from training.qa.report import report

NONE = "none"


def find(models_dir: Path, version: ModelVersion, wanted: str | None) -> ModelVersion | None:
    """The version that `wanted` names, none for NONE, and else the latest other one of the same name that has passed.

    Raises ModelError for one that is not there, or that is `version` itself.
    """
    if wanted == NONE:
        return None
    if wanted is not None:
        named = registry.load_version(models_dir, wanted)
        if named.directory.resolve() == version.directory.resolve():
            raise ModelError(f"{version.ref} cannot be its own champion: name another, or {NONE}")
        return named
    for number in reversed(registry.versions(models_dir, version.name)):
        other = registry.load_version(models_dir, str(ModelRef(version.name, number)))
        if other.directory.resolve() != version.directory.resolve() and has_passed(other):
            return other
    return None


def has_passed(version: ModelVersion) -> bool:
    """Whether the report beside it says so, and is about the files that are there."""
    found = report.read(version.directory)
    return found is not None and found["passed"] and report.covers(found, version.card)
