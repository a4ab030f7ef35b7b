"""The verdict of the quality gate on a version, from its `report.json`.

The gate (`python -m training qa`) writes `passed`, `failures` (one sentence each), and the `files` that it judged, with
the hashes on the card.
"""

from dataclasses import dataclass

import orjson

from shared.contract.model_card import ModelCard
from shared.errors import ModelError
from shared.models.registry import CARD, Registry, parse_card, read_file

REPORT = "report.json"
REPORT_PAGE = "report.html"
MAX_FAILURES = 20  # reported per version
MAX_FAILURE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Quality:
    """The verdict on a version. `failures` are the reasons why it has not passed."""

    passed: bool
    failures: tuple[str, ...] = ()


def read_quality(registry: Registry, name: str, version: int) -> tuple[ModelCard, Quality | None]:
    """Return card and verdict of a version, None without a report. Blocks. Raises ModelError without a card."""
    where = f"{registry}/{name}/{version}"
    data = read_file(registry, name, version, CARD)
    if data is None:
        raise ModelError(f"{where}/{CARD} is missing")
    card = parse_card(data, f"{where}/{CARD}")
    report = read_file(registry, name, version, REPORT)
    return card, None if report is None else judge(report, card)


def judge(report: bytes, card: ModelCard) -> Quality:
    """Return the verdict of `report` on the version with this card."""
    try:
        document = orjson.loads(report)
    except ValueError as error:
        return Quality(False, (f"its {REPORT} cannot be read: {error}",))
    if not isinstance(document, dict) or not isinstance(document.get("passed"), bool):
        return Quality(False, (f"its {REPORT} does not say whether it passed",))
    if not card.get("files") or document.get("files") != card["files"]:
        return Quality(False, (f"its {REPORT} is about other files than its card",))
    failures = document.get("failures")
    if document["passed"] or not isinstance(failures, list):
        return Quality(document["passed"])
    return Quality(False, tuple(str(failure)[:MAX_FAILURE_CHARS] for failure in failures[:MAX_FAILURES]))


def objection(ref: str, quality: Quality | None) -> str | None:
    """Return why `ref` must not serve all clients, or None if it may."""
    if quality is None:
        return f"{ref} has no {REPORT}: the gate has not judged it"
    if quality.passed:
        return None
    return f"{ref} has not passed the gate: {'; '.join(quality.failures) or 'its report does not say why'}"
