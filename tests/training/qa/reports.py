"""Made-up reports and versions."""

import hashlib
import json
from pathlib import Path
from typing import Any

from shared.models import registry
from shared.models.registry import ModelVersion
from tests.training.qa.answers import LABELS, TEST, evaluated, misread
from training.qa.bounds import Bounds
from training.qa.checks import accuracy, comparison
from training.qa.report import report
from training.qa.report.report import Check, Report


def judged(passed: bool, files: dict[str, str] | None = None) -> Report:
    """Return a report on cnn@2 compared with cnn@1. It fails because of its 5s."""
    candidate = evaluated(misread(3, 1) if passed else misread(5, 12), ref="cnn@2", sets={"noise": 0.98})
    champion = evaluated(misread(7, 1), sets={"noise": 0.98})
    limits = Bounds(floor=0.98)
    checks = [
        Check("files", True, "all <whole>"),
        accuracy.check_floor(candidate.reading, champion.reading, limits),
        accuracy.check_recall(candidate.reading, champion.reading, limits),
        *accuracy.check_sets(candidate, champion),
        *comparison.check_all(TEST, candidate, champion),
        Check("throughput", True, "in batches of 64", 12345.6, unit="images/s"),
    ]
    gained, lost = comparison.differences(LABELS, candidate, champion)
    now, readings = "2026-11-24T04:17:10+00:00", (candidate.reading, champion.reading)
    return Report("cnn@2", "cnn@1", "litert", "sample", now, 12.3, files or {}, checks, *readings, gained, lost)


def make_version(models_dir: Path, ref: str, passed: bool | None = None, **card: Any) -> ModelVersion:
    """Write a version with two small files, and with a report unless `passed` is None."""
    name, _, version = ref.partition("@")
    directory = models_dir / name / version
    directory.mkdir(parents=True)
    files = {}
    for file in ("model.keras", "model.tflite"):
        (directory / file).write_text(f"{ref} {file}")
        files[file] = hashlib.sha256((directory / file).read_bytes()).hexdigest()
    (directory / registry.CARD).write_text(json.dumps({"name": name, "version": int(version), "files": files, **card}))
    if passed is not None:
        report.write(directory / report.REPORT, judged(passed, files).encode())
    return registry.load_version(models_dir, ref)
