import numpy as np
import pytest

from shared.answers import Answers
from shared.contract.model_spec import MNIST_SPEC
from shared.data import dataset
from shared.images import Images
from tests.training.qa.answers import LABELS, answer, misread
from training.qa import evaluation
from training.qa.report.report import Mistake


class AlwaysFour:
    spec = MNIST_SPEC

    def predict(self, images: Images) -> Answers:
        return Answers(answer(np.full(len(images), 4, np.uint8), {}))


def test_all_inputs_are_classified_and_correct_answers_marked() -> None:
    inputs = evaluation.make_inputs(dataset.load_split("test", None))
    answers = evaluation.predict_all(AlwaysFour(), inputs)  # type: ignore[arg-type]
    assert answers.test.probabilities.shape == (200, 10)
    assert answers.golden.probabilities.argmax(axis=1).tolist() == [4] * 30
    assert answers.sets.keys() == inputs.sets.keys()
    for correct in answers.sets.values():
        assert np.array_equal(correct, inputs.test.labels == 4)


def test_robustness_sets_use_evenly_spaced_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SET_IMAGES", 40)
    test = dataset.load_split("test", None)
    inputs = evaluation.make_inputs(test)
    assert np.array_equal(inputs.sets["inverted"], 255 - test.images[::5])
    assert np.array_equal(inputs.set_labels, test.labels[::5])
    assert all(len(images) == 40 for images in inputs.sets.values())


def test_mistakes_are_ordered_by_falling_confidence_and_limited() -> None:
    probabilities = answer(LABELS, misread(6, 90) | misread(2, 30))
    probabilities[230] = np.eye(10)[9]
    reading = evaluation.summarize(probabilities, LABELS)
    assert (reading.images, reading.correct) == (1000, 879)
    assert (reading.recall[2], reading.confusion[2][3], reading.confusion[2][9]) == (0.69, 30, 1)
    assert len(reading.mistakes) == evaluation.MAX_MISTAKES
    assert reading.mistakes[0] == Mistake(230, 2, 9, 1.0)
    assert reading.mistakes[1].index == 200
