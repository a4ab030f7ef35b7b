import pytest

from tests.training.qa.answers import LABELS, TEST, evaluated, misread
from training.qa.checks import comparison


@pytest.mark.parametrize(
    ("lost", "gained", "passed"),
    [
        (15, 5, False),  # p = 0.041
        (14, 5, True),  # p = 0.064
        (5, 15, True),  # as large a difference, but an improvement
        (0, 0, True),
    ],
)
def test_only_a_significantly_worse_version_fails(lost: int, gained: int, passed: bool) -> None:
    candidate, champion = evaluated(misread(0, lost)), evaluated(misread(1, gained), ref="cnn@7")
    check, _ = comparison.check_all(TEST, candidate, champion)
    assert check.passed == passed
    assert check.sentence.startswith(
        f"gains {gained} test images that cnn@7 misclassifies, and loses {lost} that cnn@7 classifies correctly"
    )


def test_a_worse_class_is_named_even_if_the_total_is_equal() -> None:
    candidate = evaluated(misread(5, 9))
    champion = evaluated(misread(3, 9), ref="cnn@7")
    whole, by_class = comparison.check_all(TEST, candidate, champion)
    assert (whole.passed, whole.measured) == (True, 1.0)
    assert not by_class.passed
    assert by_class.measured == pytest.approx(2 / 2**9)
    assert by_class.sentence == "loses 9 of the 5s that cnn@7 classifies correctly, and gains 0"


def test_each_class_is_tested_at_a_tenth_of_the_significance_level() -> None:
    _, by_class = comparison.check_all(TEST, evaluated(misread(5, 7)), evaluated())
    assert by_class.measured == pytest.approx(2 / 2**7)  # 0.016: below 0.05, above 0.005
    assert by_class.passed


def test_differences_are_returned_as_indices() -> None:
    candidate, champion = evaluated(misread(5, 3)), evaluated(misread(5, 2, start=1) | misread(8, 1))
    gained, lost = comparison.differences(LABELS, candidate, champion)
    assert (gained, lost) == ([800], [500])
