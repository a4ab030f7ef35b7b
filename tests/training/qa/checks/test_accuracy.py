import pytest

from tests.training.qa.answers import GOLDEN_LABELS, evaluated, misread
from training.qa.bounds import Bounds
from training.qa.checks import accuracy

LIMITS = Bounds(floor=0.99)


@pytest.mark.parametrize(("mistakes", "passed"), [(0, True), (10, True), (11, False)])
def test_accuracy_equal_to_the_floor_passes(mistakes: int, passed: bool) -> None:
    check = accuracy.check_floor(evaluated(misread(3, mistakes)).reading, None, LIMITS)
    assert (check.passed, check.measured, check.bound) == (passed, 1 - mistakes / 1000, 0.99)
    assert check.sentence.startswith(
        f"{1000 - mistakes} of 1000 test images are classified correctly, 99.00% expected; 95 % interval "
    )


def test_a_class_with_low_recall_is_named() -> None:
    assert LIMITS.recall == pytest.approx(0.96)
    check = accuracy.check_recall(evaluated(misread(7, 5) | misread(2, 4)).reading, evaluated().reading, LIMITS)
    assert (check.passed, check.measured, check.champion) == (False, 0.95, 1.0)
    assert check.sentence == "only 95.00% of the 7s are classified correctly"


def test_recall_within_the_bound_passes() -> None:
    check = accuracy.check_recall(evaluated(misread(2, 4)).reading, None, LIMITS)
    assert (check.passed, check.measured) == (True, 0.96)
    assert check.sentence == "the 2s have the lowest recall"


def test_a_single_wrong_golden_image_fails() -> None:
    check = accuracy.check_golden(GOLDEN_LABELS, evaluated(golden_wrong={14: 9}), None)
    assert (check.passed, check.sentence) == (False, "classifies a 4 as 9")


def test_golden_images_need_confident_answers() -> None:
    check = accuracy.check_golden(GOLDEN_LABELS, evaluated(confidence=0.6), evaluated())
    assert not check.passed
    assert [check.measured, check.champion] == pytest.approx([0.6, 0.96])
    assert "some with low confidence" in check.sentence
    assert accuracy.check_golden(GOLDEN_LABELS, evaluated(), None).passed


def test_confidence_far_from_accuracy_fails() -> None:
    check = accuracy.check_calibration(evaluated(misread(1, 50)).reading, None)
    assert check.passed
    assert check.measured == pytest.approx(0.01, abs=1e-6)  # confidence 0.96, accuracy 0.95
    check = accuracy.check_calibration(evaluated(confidence=0.5).reading, None)
    assert not check.passed
    assert check.measured == pytest.approx(0.5)
    assert check.sentence == "the mean confidence is 50.00%, and 100.00% of the answers are correct"


def test_the_bound_of_a_robustness_set_depends_on_the_champion() -> None:
    sets = {"noise": 0.95, "blur": 0.93}
    noise, blur = accuracy.check_sets(evaluated(sets=sets), evaluated(sets={"noise": 0.97, "blur": 0.96}))
    assert (noise.passed, noise.bound) == (True, 0.95)
    assert (blur.passed, blur.measured, blur.bound, blur.champion) == (False, 0.93, 0.94, 0.96)
    sentence = "93.00% of 1000 test images blurred (standard deviation 1 pixel) are classified correctly, "
    assert blur.sentence == f"{sentence}94.00% expected"


def test_without_a_champion_each_robustness_set_has_a_fixed_bound() -> None:
    noise, blur = accuracy.check_sets(evaluated(sets={"noise": 0.9, "blur": 0.89}), None)
    assert (noise.passed, blur.passed, blur.bound) == (True, False, 0.9)


@pytest.mark.parametrize(("champion", "bound"), [(None, None), (0.26, None), (0.95, 0.93)])
def test_inverted_images_count_only_if_the_champion_supports_them(champion: float | None, bound: float | None) -> None:
    assert accuracy.bound_of_set("inverted", champion) == bound
