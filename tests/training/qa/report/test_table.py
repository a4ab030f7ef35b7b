import pytest

from tests.training.qa.reports import judged
from training.qa.report import table
from training.qa.report.report import Check, Unit


def test_the_table_has_a_line_per_check_and_ends_with_the_reasons() -> None:
    lines = table.render(judged(passed=False)).splitlines()
    assert lines[2].split() == ["accuracy", "98.80%", "≥", "98.00%", "99.90%", "passed"]
    assert lines[3].split() == ["recall", "88.00%", "≥", "92.00%", "99.00%", "FAILED"]
    verdict = lines.index("")
    assert lines[verdict + 1] == "cnn@2 failed 3 of 7 checks, compared with cnn@1, in litert on sample"
    assert "  recall: only 88.00% of the 5s are classified correctly" in lines[verdict + 2 :]


def test_a_version_that_passed_has_no_reasons() -> None:
    text = table.render(judged(passed=True))
    assert text.endswith("\n\ncnn@2 passed, compared with cnn@1, in litert on sample")
    assert "FAILED" not in text


def test_a_value_without_a_bound_is_not_judged() -> None:
    assert table.outcome(Check("a", True, "", 0.5)) == "not judged"
    assert table.outcome(Check("a", True, "", 0.5, 0.4)) == "passed"
    assert table.outcome(Check("a", True, "")) == "passed"
    assert table.outcome(Check("a", False, "")) == "FAILED"


def test_the_bound_of_a_p_value_holds_only_for_worse_versions() -> None:
    assert table.cells(Check("champion", True, "", 0.001, 0.05, unit="p"))[2] == "≥ 0.05 if worse"
    assert table.cells(Check("memory", True, "", 10, 512, "at_most", "MiB"))[2] == "≤ 512 MiB"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "share", ""),
        (0.99671, "share", "99.67%"),
        (0.000022, "p", "2.2e-05"),
        (12345.6, "images/s", "12,346 images/s"),
        (46.7, "MiB", "47 MiB"),
        (0.942, "probability", "0.94"),
    ],
)
def test_numbers_are_formatted_for_their_unit(value: float | None, unit: Unit, text: str) -> None:
    assert table.show(value, unit) == text
