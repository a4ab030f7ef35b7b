"""The choice of the champion: the version that a candidate is compared with."""

from pathlib import Path

from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from training.qa.report import report

NONE = "none"


def find(models_dir: Path, version: ModelVersion, requested: str | None) -> ModelVersion | None:
    """Return the requested champion, or the latest other version that has passed, or None. Raises ModelError."""
    if requested == NONE:
        return None
    if requested is not None:
        champion = registry.load_version(models_dir, requested)
        if champion.directory.resolve() == version.directory.resolve():
            raise ModelError(f"{version.ref} cannot be its own champion: name another version, or {NONE}")
        return champion
    for number in reversed(registry.versions(models_dir, version.name)):
        other = registry.load_version(models_dir, str(ModelRef(version.name, number)))
        if other.directory.resolve() != version.directory.resolve() and has_passed(other):
            return other
    return None


def has_passed(version: ModelVersion) -> bool:
    """Return whether the version has a report that covers its present files and says that it passed."""
    found = report.read(version.directory)
    return found is not None and found["passed"] and report.covers(found, version.card)
