"""One bad image fails alone."""

import numpy as np
import pytest

from shared.answers import Answers, no_answers
from shared.images import Images
from tests.worker.support.deliveries_of import images
from worker.batching.isolate import predict_isolating


def predict(batch: Images) -> Answers:
    """Answers with each image's first pixel, and raises for an image that begins with 255."""
    if (batch[:, 0, 0] == 255).any():
        raise ValueError("poison")
    answers = np.zeros((len(batch), 10), np.float32)
    answers[:, 0] = batch[:, 0, 0]
    return Answers(answers, batch[:, 1, 0].astype(np.float32), batch[:, 2, 0])


@pytest.mark.parametrize("poisoned", [[], [0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6]])
def test_only_the_images_that_raise_fail(poisoned: list[int]) -> None:
    batch = images(7)
    batch[:, 0, 0] = range(7)
    batch[:, 1, 0] = 51
    batch[:, 2, 0] = range(7)
    batch[poisoned, 0, 0] = 255
    answers, faults = predict_isolating(predict, batch)
    assert sorted(faults) == poisoned
    assert all("poison" in reason for reason in faults.values())
    for index in set(range(7)) - set(poisoned):
        assert answers.probabilities[index, 0] == index
        assert answers.scores is not None
        assert answers.stages is not None
        assert answers.scores[index] == 51
        assert answers.stages[index] == index


def test_an_answer_that_is_not_finite_is_a_fault_of_its_image() -> None:
    def with_nan(batch: Images) -> Answers:
        answers = np.full((len(batch), 10), 0.1, np.float32)
        answers[2, 5] = np.nan
        return Answers(answers)

    answers, faults = predict_isolating(with_nan, images(4))
    assert list(faults) == [2]
    assert "finite" in faults[2]
    assert np.isfinite(answers.probabilities).all()


def test_an_engine_that_answers_with_the_wrong_length_answers_nothing() -> None:
    answers, faults = predict_isolating(lambda batch: no_answers(len(batch) + 1, 10), images(3))
    assert sorted(faults) == [0, 1, 2]
    assert answers.probabilities.shape == (3, 0)


def test_no_images_need_no_answer() -> None:
    answers, faults = predict_isolating(predict, images(0))
    assert (answers.probabilities.shape, faults) == ((0, 10), {})
