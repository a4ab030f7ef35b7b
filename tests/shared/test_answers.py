"""Answers are cut and joined without mixing up their rows."""

import numpy as np

from shared.answers import Answers, join, no_answers


def made(first: int, count: int) -> Answers:
    rows = np.arange(first, first + count)
    probabilities = np.repeat(rows[:, None], 3, axis=1).astype(np.float32)
    return Answers(probabilities, rows.astype(np.float32), (rows % 3).astype(np.uint8))


def same(one: Answers, other: Answers) -> bool:
    return repr(one) == repr(other)


def test_rows_can_be_a_slice_positions_or_a_mask() -> None:
    whole = made(0, 6)
    assert same(whole.rows(slice(2, 5)), made(2, 3))
    assert same(whole.rows([2, 3, 4]), made(2, 3))
    assert same(whole.rows(np.array([0, 0, 1, 1, 1, 0], bool)), made(2, 3))
    plain = Answers(whole.probabilities)
    assert same(plain.rows(slice(1, 2)), Answers(whole.probabilities[1:2]))


def test_joined_answers_are_in_order() -> None:
    assert same(join([made(0, 2), made(2, 0), made(2, 3)]), made(0, 5))
    assert join([no_answers(1, 3), no_answers(2, 3)])[1:] == (None, None)


def test_images_without_an_answer_get_zeros() -> None:
    joined = join([no_answers(2, 3), made(7, 1)])
    assert joined.probabilities.tolist() == [[0] * 3, [0] * 3, [7] * 3]
    assert joined.scores is not None
    assert joined.stages is not None
    assert (joined.scores.tolist(), joined.stages.tolist()) == ([0, 0, 7], [0, 0, 1])
    assert (joined.scores.dtype.name, joined.stages.dtype.name) == ("float32", "uint8")
