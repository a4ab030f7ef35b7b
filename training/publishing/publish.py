"""The `publish` command: from the registry where versions are made to the one that serves, through the gate."""

import shutil
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from training.publishing import card, staging
from training.qa.checks import soundness
from training.qa.report import report


def run(options: Namespace, command: str) -> None:
    """Publish as `options` of `training/__main__.py` say. Raises what `publish` raises."""
    if options.force != (options.reason is not None):
        raise ModelError("--force and --reason go together: what is forced needs a reason, for its card")
    source = registry.load_version(options.source_dir, options.model)
    published = publish(source, options.models_dir, options.reason)
    why_not = obstacle(source)
    print(f"Wrote {published.directory}: " + (f"forced, though {why_not}" if why_not else "it has passed the gate"))


def publish(source: ModelVersion, models_dir: Path, forced_reason: str | None = None) -> ModelVersion:
    """Copy `source` into the registry `models_dir`, whole or not at all, and return the copy.

    `forced_reason` lets a version through that has not passed, and goes on the copy's card, as `forced`. Raises
    ModelError for one that has not passed without it, for damaged files even with it, and where that version is there
    already.
    """
    if forced_reason is not None and not forced_reason.strip():
        raise ModelError("the reason is empty: say why, for its card")
    files = soundness.check_files(source)
    if not files.passed:
        raise ModelError(f"{source.ref} is not published: {files.sentence}")
    why_not = obstacle(source)
    if why_not and forced_reason is None:
        raise ModelError(f"{source.ref} is not published: {why_not}")
    with staging.staged(models_dir, source.name, source.version) as directory:
        names = [*source.card["files"], registry.CARD, report.REPORT, report.PAGE]
        for path in (source.directory / name for name in names):
            if path.is_file():
                shutil.copyfile(path, directory / path.name)
        if why_not:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            card.write(directory, source.card | {"forced": {"reason": forced_reason, "at": at}})
    return registry.load_version(models_dir, source.ref)


def obstacle(version: ModelVersion) -> str | None:
    """What the gate has against `version`, None where it has passed."""
    found = report.read(version.directory)
    if found is None:
        return f"it has no {report.REPORT}: judge it with `python -m training qa {version.ref}`"
    if not report.covers(found, version.card):
        return f"its {report.REPORT} is about other files: judge it anew"
    if not found["passed"]:
        failed = "; ".join(
            f"{each['name']}: {each['sentence']}" for each in found.get("checks", []) if not each["passed"]
        )
        return f"it failed the gate ({failed})"
    return None
