"""The threshold of a stage trades right answers for computing time."""

import numpy as np
import pytest

from training.fitting import thresholds
from training.fitting.thresholds import Outcome, Row, Stage, choose

FIRST = Stage(np.array([0.95, 0.85, 0.6, 0.55], np.float32), np.array([True, True, False, False]), 10)
SECOND = Stage(np.array([0.99, 0.99, 0.99, 0.4], np.float32), np.array([True, False, True, False]), 100)


def test_the_largest_output_is_the_confidence_and_the_largest_of_a_label_the_answer() -> None:
    outputs = np.zeros((3, 11), np.float32)
    outputs[0, 4], outputs[2, 9] = 0.7, 0.6
    outputs[1, 10], outputs[1, 4] = 0.8, 0.2
    judged = thresholds.judge(outputs, np.array([4, 4, 4], np.uint8), 10, 99)
    np.testing.assert_allclose(judged.confidences, [0.7, 0.8, 0.6])
    assert judged.right.tolist() == [True, True, False]


def test_images_below_the_threshold_get_the_answer_of_the_later_stages_and_cost_both() -> None:
    outcome = thresholds.pass_on(FIRST, 0.85, thresholds.alone(SECOND))
    assert outcome.right.tolist() == [True, True, True, False]
    assert outcome.multiply_adds.tolist() == [10, 10, 110, 110]


def test_the_table_has_a_row_for_each_threshold() -> None:
    rows = thresholds.table(FIRST, thresholds.alone(SECOND), [0.5, 0.6, 0.9])
    assert [row.right for row in rows] == [2, 2, 2]
    assert [row.passed_on for row in rows] == [0, 0.25, 0.75]
    assert [row.compute for row in rows] == pytest.approx([1, 3.5, 8.5])


def test_three_stages_are_chosen_from_the_last_to_the_first() -> None:
    third = Stage(np.ones(4, np.float32), np.ones(4, np.bool_), 1000)
    later = thresholds.pass_on(SECOND, 0.5, thresholds.alone(third))
    assert later == Outcome(*later)
    outcome = thresholds.pass_on(FIRST, 0.8, later)
    assert outcome.right.tolist() == [True, True, True, True]
    assert outcome.multiply_adds.tolist() == [10, 10, 110, 1110]


def test_the_least_computing_wins_among_rows_that_differ_by_chance() -> None:
    rows = [Row(0.5, 0, 4_970, 1.0), Row(0.8, 0.1, 4_978, 1.5), Row(0.9, 0.2, 4_980, 1.9), Row(0.99, 0.4, 4_979, 3.0)]
    assert choose(rows, 5_000).accept_from == 0.8
    assert choose(rows, 1_000).accept_from == 0.9
