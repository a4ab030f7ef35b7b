"""The `publish` command: copy a version that has passed the quality gate into another registry."""

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
    """Publish with the `options` of the command. Raises ModelError like `publish`."""
    if options.force != (options.reason is not None):
        raise ModelError("--force and --reason go together: the reason is recorded on the version's card")
    source = registry.load_version(options.source_dir, options.model)
    published = publish(source, options.models_dir, options.reason)
    refusal = refusal_reason(source)
    print(f"Wrote {published.directory}: " + (f"forced, although {refusal}" if refusal else "it has passed the gate"))


def publish(source: ModelVersion, models_dir: Path, forced_reason: str | None = None) -> ModelVersion:
    """Copy `source` into the registry `models_dir` atomically and return the copy.

    With a `forced_reason`, copies a version that has not passed and records the reason as `forced` on the copy's card.
    Raises ModelError for a version that has not passed if there is no reason, for damaged files, and if the version
    exists in `models_dir`.
    """
    if forced_reason is not None and not forced_reason.strip():
        raise ModelError("the reason is empty: explain why the version is published anyway")
    files = soundness.check_files(source)
    if not files.passed:
        raise ModelError(f"{source.ref} is not published: {files.sentence}")
    refusal = refusal_reason(source)
    if refusal and forced_reason is None:
        raise ModelError(f"{source.ref} is not published: {refusal}")
    with staging.staged(models_dir, source.name, source.version) as directory:
        names = [*source.card["files"], registry.CARD, report.REPORT, report.PAGE]
        for path in (source.directory / name for name in names):
            if path.is_file():
                shutil.copyfile(path, directory / path.name)
        if refusal and forced_reason is not None:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            card.write(directory, {**source.card, "forced": {"reason": forced_reason, "at": at}})
    return registry.load_version(models_dir, source.ref)


def refusal_reason(version: ModelVersion) -> str | None:
    """Return why the gate refuses `version`, or None if it has passed."""
    found = report.read(version.directory)
    if found is None:
        return f"it has no {report.REPORT}: judge it with `python -m training qa {version.ref}`"
    if not report.covers(found, version.card):
        return f"its {report.REPORT} is about other files: judge it again"
    if found["passed"]:
        return None
    failed = [f"{check['name']}: {check['sentence']}" for check in found.get("checks", []) if not check["passed"]]
    return f"it failed the gate ({'; '.join(failed)})"
