"""The report of the quality gate on a version: `report.json`, written next to the version."""

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.contract.model_card import ModelCard
from shared.errors import ModelError
from training.qa.statistics import Bin

REPORT = "report.json"
PAGE = "report.html"  # contains test images, so .gitignore keeps it out of the repository

Unit = Literal["share", "p", "probability", "difference", "images/s", "MiB", "ms"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check. Without a `bound`, it is only reported. `champion` is the champion's value."""

    name: str
    passed: bool
    sentence: str
    measured: float | None = None
    bound: float | None = None
    limit: Literal["at_least", "at_most"] = "at_least"
    unit: Unit = "share"
    champion: float | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer to test image `index`."""

    index: int
    label: int
    prediction: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The answers to the test images. `confusion[label][prediction]` counts, and is empty for many labels.

    The most confident mistakes come first.
    """

    images: int
    correct: int
    interval_95: tuple[float, float]
    recall: list[float]
    calibration_error: float
    confusion: list[list[int]]
    reliability: list[Bin]
    mistakes: list[Mistake]

    @property
    def accuracy(self) -> float:
        return self.correct / self.images


@dataclass(frozen=True, slots=True)
class Report:
    """The result of the gate. `reading` is None if the version cannot be loaded or returns invalid probabilities.

    `gained` are the indices of test images that only the version classifies correctly, `lost` those of the champion.
    """

    model: str
    champion: str | None
    engine: str
    dataset: str
    finished: str
    wall_s: float
    files: dict[str, str]  # SHA-256 by name, as on the card: a report is valid only for these files
    checks: list[Check]
    reading: Reading | None = None
    champion_reading: Reading | None = None
    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]

    @property
    def passed(self) -> bool:
        return not self.failed

    def encode(self) -> str:
        """Return the report as JSON, with one line for each innermost list or object."""
        failures = [f"{check.name}: {check.sentence}" for check in self.failed]
        fields = {"model": self.model, "passed": self.passed, "failures": failures} | asdict(self)
        text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
        return re.sub(r"[\[{][^][{}]*[\]}]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file atomically: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def read(directory: Path) -> dict[str, Any] | None:
    """Return the report in `directory`, or None if there is none. Raises ModelError for a file that is no report."""
    path = directory / REPORT
    if not path.is_file():
        return None
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("passed"), bool):
        raise ModelError(f"{path} is not a report of the gate: judge the version again with `python -m training qa`")
    return report


def covers(report: dict[str, Any], card: ModelCard) -> bool:
    """Return whether the report is about the files on the card."""
    return bool(card.get("files")) and report.get("files") == card.get("files")
