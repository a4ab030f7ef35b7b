import pytest

from tests.training.qa.answers import GOLDEN_LABELS, misread, side
from training.qa.bounds import Bounds
from training.qa.checks import accuracy

LIMITS = Bounds(floor=0.99)


@pytest.mark.parametrize(("mistakes", "passed"), [(0, True), (10, True), (11, False)])
def test_the_floor_is_what_may_just_be_reached(mistakes: int, passed: bool) -> None:
    check = accuracy.check_floor(side(misread(3, mistakes)).reading, None, LIMITS)
    assert (check.passed, check.measured, check.bound) == (passed, 1 - mistakes / 1000, 0.99)
    assert check.sentence.startswith(
        f"{1000 - mistakes} of 1000 test images read right, 99.00% expected; 95 % interval "
    )


def test_a_class_that_is_read_badly_is_named() -> None:
    assert LIMITS.recall == pytest.approx(0.96)
    check = accuracy.check_recall(side(misread(7, 5) | misread(2, 4)).reading, side().reading, LIMITS)
    assert (check.passed, check.measured, check.champion) == (False, 0.95, 1.0)
    assert check.sentence == "only 95.00% of the 7s read right"


def test_classes_may_differ_within_the_bound() -> None:
    check = accuracy.check_recall(side(misread(2, 4)).reading, None, LIMITS)
    assert (check.passed, check.measured) == (True, 0.96)
    assert check.sentence == "the class read worst is that of the 2s"


def test_one_golden_image_misread_is_one_too_many() -> None:
    check = accuracy.check_golden(GOLDEN_LABELS, side(golden_wrong={14: 9}), None)
    assert (check.passed, check.sentence) == (False, "reads a 4 as 9")


def test_golden_images_have_to_be_read_surely() -> None:
    check = accuracy.check_golden(GOLDEN_LABELS, side(confidence=0.6), side())
    assert not check.passed
    assert [check.measured, check.champion] == pytest.approx([0.6, 0.96])
    assert "not all of them surely" in check.sentence
    assert accuracy.check_golden(GOLDEN_LABELS, side(), None).passed


def test_confidence_that_means_nothing_fails() -> None:
    check = accuracy.check_calibration(side(misread(1, 50)).reading, None)
    assert check.passed
    assert check.measured == pytest.approx(0.01, abs=1e-6)  # says 0.96, right 0.95
    check = accuracy.check_calibration(side(confidence=0.5).reading, None)
    assert not check.passed
    assert check.measured == pytest.approx(0.5)
    assert check.sentence == "says 50.00% on the average and is right 100.00% of the time"


def test_a_robustness_set_is_held_to_the_champions() -> None:
    sets = {"noise": 0.95, "blur": 0.93}
    noise, blur = accuracy.check_sets(side(sets=sets), side(sets={"noise": 0.97, "blur": 0.96}))
    assert (noise.passed, noise.bound) == (True, 0.95)
    assert (blur.passed, blur.measured, blur.bound, blur.champion) == (False, 0.93, 0.94, 0.96)
    told = "93.00% of 1000 test images blurred (standard deviation 1 pixel) read right, 94.00% expected"
    assert blur.sentence == told


def test_without_a_champion_there_is_a_floor_for_each_set() -> None:
    noise, blur = accuracy.check_sets(side(sets={"noise": 0.9, "blur": 0.89}), None)
    assert (noise.passed, blur.passed, blur.bound) == (True, False, 0.9)


@pytest.mark.parametrize(("champion", "bound"), [(None, None), (0.26, None), (0.95, 0.93)])
def test_inverted_images_count_only_where_the_champion_reads_them(champion: float | None, bound: float | None) -> None:
    assert accuracy.bound_of_set("inverted", champion) == bound
