import json
import sys
from typing import Any

from tools.audit import audit, verdict

FINE = {"name": "fine", "version": "1.0", "vulns": []}
SKIPPED = {"name": "unknown", "skip_reason": "not found"}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"]}]}


def reporting(dependencies: list[dict[str, Any]], status: int) -> list[str]:
    """A program that says what pip-audit would."""
    report = json.dumps({"dependencies": dependencies, "fixes": []})
    return [sys.executable, "-c", f"print({report!r}); raise SystemExit({status})"]


def test_a_vulnerability_is_named_with_what_mends_it_and_counts() -> None:
    found, lines = audit(reporting([FINE, BAD, SKIPPED], 1), 20)
    assert found == 1
    assert lines == [
        "audit: bad 2.0 has PYSEC-2026-1, fixed in 2.1",
        "audit: 2 of 3 dependencies checked, 1 known vulnerabilities",
    ]


def test_without_vulnerabilities_the_checked_packages_are_counted() -> None:
    assert audit(reporting([FINE, SKIPPED], 0), 20) == (
        0,
        ["audit: 1 of 2 dependencies checked, 0 known vulnerabilities"],
    )


def test_a_registry_without_advisories_passes_and_says_so() -> None:
    assert verdict([SKIPPED]) == (0, ["audit: nothing is known, the registry offers no advisories"])


def test_no_report_passes_with_the_reason() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no route to the registry')"]
    assert audit(command, 20) == (
        0,
        ["audit: nothing is known, pip-audit gave no report: no route to the registry"],
    )


def test_a_registry_that_does_not_answer_is_not_waited_for() -> None:
    found, (line,) = audit(["sleep", "60"], 0.2)
    assert found == 0
    assert line.endswith("took longer than 0.2 s")
