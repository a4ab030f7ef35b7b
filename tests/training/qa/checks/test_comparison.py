import pytest

from tests.training.qa.answers import LABELS, misread, side
from training.qa.checks import comparison


@pytest.mark.parametrize(
    ("lost", "gained", "passed"),
    [
        (15, 5, False),  # p = 0.041
        (14, 5, True),  # p = 0.064
        (5, 15, True),  # as far apart, but better
        (0, 0, True),
    ],
)
def test_a_version_fails_that_is_significantly_worse_and_no_other(lost: int, gained: int, passed: bool) -> None:
    candidate, champion = side(misread(0, lost)), side(misread(1, gained), ref="cnn@7")
    check, _ = comparison.check_all(LABELS, candidate, champion)
    assert check.passed == passed
    assert check.sentence.startswith(f"reads {gained} test images that cnn@7 misses, and misses {lost} that it reads")


def test_a_class_that_got_worse_is_named_though_the_whole_did_not() -> None:
    candidate = side(misread(5, 9))
    champion = side(misread(3, 9), ref="cnn@7")
    whole, by_class = comparison.check_all(LABELS, candidate, champion)
    assert (whole.passed, whole.measured) == (True, 1.0)
    assert not by_class.passed
    assert by_class.measured == pytest.approx(2 / 2**9)
    assert by_class.sentence == "misses 9 of the 5s that cnn@7 reads and gains 0"


def test_ten_tests_at_once_are_held_to_a_tenth_of_the_significance() -> None:
    by_class = comparison.check_champion_by_class(
        comparison.right(side(misread(5, 7)), LABELS), comparison.right(side(), LABELS), LABELS, "cnn@7"
    )
    assert by_class.measured == pytest.approx(2 / 2**7)  # 0.016: below 0.05, above 0.005
    assert by_class.passed


def test_images_that_one_alone_reads_are_told_by_index() -> None:
    candidate, champion = side(misread(5, 3)), side(misread(5, 2, start=1) | misread(8, 1))
    gained, lost = comparison.differences(LABELS, candidate, champion)
    assert (gained, lost) == ([800], [500])
