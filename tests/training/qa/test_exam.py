import numpy as np
import pytest

from shared.data import dataset
from shared.images import Images, Probabilities
from tests.training.qa.answers import LABELS, answer, misread
from training.qa import exam
from training.qa.report.report import Mistake


class Fours:
    def predict(self, images: Images) -> Probabilities:
        return answer(np.full(len(images), 4, np.uint8), {})


def test_every_set_is_shown_and_what_was_read_right_is_kept() -> None:
    paper = exam.make_exam(dataset.load_split("test", None))
    answers = exam.take(Fours(), paper)  # type: ignore[arg-type]
    assert answers.test.shape == (200, 10)
    assert answers.golden.argmax(axis=1).tolist() == [4] * 30
    assert answers.sets.keys() == paper.sets.keys()
    for right in answers.sets.values():
        assert np.array_equal(right, paper.test.labels == 4)


def test_the_sets_are_made_of_some_of_the_test_images_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exam, "SET_IMAGES", 40)
    test = dataset.load_split("test", None)
    paper = exam.make_exam(test)
    assert np.array_equal(paper.sets["inverted"], 255 - test.images[::5])
    assert np.array_equal(paper.set_labels, test.labels[::5])
    assert all(len(images) == 40 for images in paper.sets.values())


def test_mistakes_come_with_the_surest_first_and_are_bounded() -> None:
    probabilities = answer(LABELS, misread(6, 90) | misread(2, 30))
    probabilities[230] = np.eye(10)[9]
    reading = exam.summarize(probabilities, LABELS)
    assert (reading.images, reading.correct) == (1000, 879)
    assert (reading.recall[2], reading.confusion[2][3], reading.confusion[2][9]) == (0.69, 30, 1)
    assert len(reading.mistakes) == exam.MAX_MISTAKES
    assert reading.mistakes[0] == Mistake(230, 2, 9, 1.0)
    assert reading.mistakes[1].index == 200
