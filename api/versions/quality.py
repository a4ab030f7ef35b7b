"""What the gate found about a version, as its `report.json` says, and whether that lets it be what people are served.

The gate (`python -m training qa`) writes it: `passed`, `failures` (a sentence each), and the `files` that it judged, as
on their card.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import ModelError
from shared.models.registry import CARD, Registry, parse_card, read_file

REPORT = "report.json"
REPORT_PAGE = "report.html"
MAX_FAILURES = 20  # told of one version
MAX_FAILURE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Quality:
    """`failures` say why a version has not passed."""

    passed: bool
    failures: tuple[str, ...] = ()


def read_quality(registry: Registry, name: str, version: int) -> tuple[dict[str, Any], Quality | None]:
    """The card of a version, and what its report says; None without one. Blocks.

    Raises ModelError where the card is not there or cannot be read.
    """
    where = f"{registry}/{name}/{version}"
    data = read_file(registry, name, version, CARD)
    if data is None:
        raise ModelError(f"there is no {where}/{CARD}")
    card = parse_card(data, f"{where}/{CARD}")
    report = read_file(registry, name, version, REPORT)
    return card, None if report is None else judge(report, card)


def judge(report: bytes, card: dict[str, Any]) -> Quality:
    """What `report` says of the version with this card."""
    try:
        told = orjson.loads(report)
    except ValueError as error:
        return Quality(False, (f"its {REPORT} cannot be read: {error}",))
    if not isinstance(told, dict) or not isinstance(told.get("passed"), bool):
        return Quality(False, (f"its {REPORT} does not say whether it passed",))
    if not card.get("files") or told.get("files") != card["files"]:
        return Quality(False, (f"its {REPORT} is about other files than its card",))
    failures = told.get("failures")
    if told["passed"] or not isinstance(failures, list):
        return Quality(told["passed"])
    return Quality(False, tuple(str(failure)[:MAX_FAILURE_CHARS] for failure in failures[:MAX_FAILURES]))


def objection(ref: str, quality: Quality | None) -> str | None:
    """Why `ref` is not to be served to everyone; None where nothing speaks against it."""
    if quality is None:
        return f"{ref} has no {REPORT}: the gate has not judged it"
    if quality.passed:
        return None
    return f"{ref} has not passed the gate: {'; '.join(quality.failures) or 'its report does not say why'}"
