"""What the gate found about one version: `report.json` beside it, and the page made of it."""

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.errors import ModelError
from training.qa.statistics import Bin

REPORT = "report.json"
PAGE = "report.html"  # has pictures of test images in it: .gitignore keeps it out of the repository

Unit = Literal["share", "p", "probability", "difference", "images/s", "MiB"]


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. A `bound` of None: told, not judged; `champion` is what was measured of it."""

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
    """Test image `index`, misread with this confidence."""

    index: int
    label: int
    prediction: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How the test images were read. `confusion[label][prediction]` counts them; `mistakes` is the worst first."""

    images: int
    correct: int
    interval_95: tuple[float, float]
    recall: list[float]
    calibration_error: float
    confusion: list[list[int]]
    reliability: list[Bin]
    mistakes: list[Mistake]


@dataclass(frozen=True, slots=True)
class Report:
    """`reading` is None for a version that was not fit to be shown an image. `gained` and `lost` are the indices of
    test images that it alone reads, and that the champion alone reads.
    """

    model: str
    champion: str | None
    engine: str
    dataset: str
    finished: str
    wall_s: float
    files: dict[str, str]  # as on its card: another model's report is not this one's
    checks: list[Check]
    reading: Reading | None = None
    champion_reading: Reading | None = None
    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]

    @property
    def passed(self) -> bool:
        return not self.failed

    def encode(self) -> str:
        """JSON, as `read` reads it and as clients see it; a line for each innermost list or object."""
        failures = [f"{check.name}: {check.sentence}" for check in self.failed]
        fields = {"model": self.model, "passed": self.passed, "failures": failures} | asdict(self)
        text = json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False)
        return re.sub(r"[\[{][^][{}]*[\]}]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text) + "\n"


def write(path: Path, text: str) -> None:
    """Whole or not at all: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def read(directory: Path) -> dict[str, Any] | None:
    """The report of the version in `directory`, None where there is none.

    Raises ModelError, naming the file, for one that is not the gate's.
    """
    path = directory / REPORT
    if not path.is_file():
        return None
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("passed"), bool):
        raise ModelError(f"{path} is no report of the gate: judge the version anew with `python -m training qa`")
    return report


def covers(report: dict[str, Any], card: dict[str, Any]) -> bool:
    """Whether the report is about the very files that the card lists."""
    return bool(card.get("files")) and report.get("files") == card.get("files")
