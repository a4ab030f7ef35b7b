import math

import numpy as np
import numpy.typing as npt
import pytest

from training.qa import statistics


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (8, 10, 0.49016, 0.94332),  # from R's binom.confint
        (0, 10, 0.0, 3.841459 / 13.841459),  # z² / (n + z²)
        (10, 10, 10 / 13.841459, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval_has_known_values(correct: int, total: int, low: float, high: float) -> None:
    assert statistics.wilson_interval(correct, total) == pytest.approx((low, high), abs=1e-5)


def test_wilsons_interval_solves_its_equation() -> None:
    """The observed proportion is 1.96 standard errors away from each end, by the standard error at that end."""
    for end in statistics.wilson_interval(9967, 10_000):
        assert abs(0.9967 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 10_000), rel=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (5, 0, 2 / 32),
        (5, 15, 2 * 21_700 / 2**20),  # 1 + 20 + 190 + 1140 + 4845 + 15504 of 2^20
        (15, 5, 2 * 21_700 / 2**20),
    ],
)
def test_mcnemars_p_equals_values_calculated_by_hand(first: int, second: int, p: float) -> None:
    assert statistics.mcnemar_p(first, second) == pytest.approx(p)


def test_mcnemars_p_is_close_to_the_normal_approximation_for_many_images() -> None:
    # with the correction for continuity
    z = (abs(990 - 1_010) - 1) / math.sqrt(2_000)
    assert statistics.mcnemar_p(990, 1_010) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


def test_the_calibration_error_equals_a_value_calculated_by_hand() -> None:
    probabilities = answers([(0.9, 0), (0.9, 0), (0.63, 1), (0.63, 1)])
    labels = np.array([0, 3, 1, 1], np.uint8)
    bins = statistics.reliability(probabilities, labels)
    assert [(each.images, each.accuracy) for each in bins] == [(2, 1.0), (2, 0.5)]
    assert [each.confidence for each in bins] == pytest.approx([0.63, 0.9])
    assert [(each.low, each.high) for each in bins] == [(9 / 15, 10 / 15), (13 / 15, 14 / 15)]
    assert statistics.calibration_error(bins) == pytest.approx((2 * 0.37 + 2 * 0.4) / 4)


def test_confident_correct_answers_have_no_calibration_error() -> None:
    bins = statistics.reliability(answers([(1.0, 4)] * 3), np.full(3, 4, np.uint8))
    assert [each.high for each in bins] == [1.0]
    assert statistics.calibration_error(bins) == 0


def test_the_confusion_matrix_has_a_row_per_label_and_recall_is_its_diagonal() -> None:
    labels = np.array([1, 1, 1, 2], np.uint8)
    matrix = statistics.confusion(np.array([1, 1, 7, 2]), labels)
    assert matrix[1] == [0, 2, 0, 0, 0, 0, 0, 1, 0, 0]
    assert sum(map(sum, matrix)) == 4
    assert statistics.recalls(np.array([1, 1, 7, 2]), labels)[:3] == [1.0, pytest.approx(2 / 3), 1.0]


def answers(likeliest: list[tuple[float, int]]) -> npt.NDArray[np.float32]:
    """Return answers float32[N,10] from pairs (probability, class). The other classes share the rest."""
    probabilities = np.array([[(1 - p) / 9] * 10 for p, _ in likeliest], np.float32)
    for row, (p, digit) in zip(probabilities, likeliest, strict=True):
        row[digit] = p
    return probabilities
