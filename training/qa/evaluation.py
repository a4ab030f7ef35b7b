"""The images that the gate classifies with a version, and the answers of that version."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.answers import Answers
from shared.contract.model_spec import MNIST_LABELS
from shared.data.dataset import Labels, Split
from shared.images import Images, Probabilities
from shared.shapes import MNIST_SHAPE
from training.qa import golden, not_digits, robustness, statistics
from training.qa.report.report import Mistake, Reading
from worker.engine import Engine

SET_IMAGES = 2_000  # test images per robustness set: enough to detect a loss of 2 %; all would take minutes
MAX_CONFUSION_LABELS = 100  # for a matrix of confusions, which grows with their square
MAX_MISTAKES = 100  # per report; a bad version makes thousands


@dataclass(frozen=True, slots=True)
class Inputs:
    """The images for every version: the test set, the golden images, and the robustness sets by name."""

    test: Split
    golden: Images
    golden_labels: Labels
    sets: dict[str, Images]
    set_labels: Labels


@dataclass(frozen=True, slots=True)
class InputAnswers:
    """The answers to the test set and the golden images; correctness bool[S] for each robustness set."""

    test: Answers
    golden: Answers
    sets: dict[str, npt.NDArray[np.bool_]]
    not_digits: Answers | None = None  # only of a version for digits with an acceptance rule


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A version with its answers and their summary."""

    ref: str
    answers: InputAnswers
    reading: Reading


def make_inputs(test: Split, golden_images: tuple[Images, Labels] | None = None) -> Inputs:
    """Return the inputs that are derived from the test set. By default, the golden images are drawn digits."""
    images, labels = golden_images or golden.draw()
    sampled = slice(None, None, max(1, len(test.images) // SET_IMAGES))
    return Inputs(test, images, labels, robustness.make_sets(test.images[sampled]), test.labels[sampled])


def predict_all(engine: Engine, inputs: Inputs) -> InputAnswers:
    """Classify all inputs. Blocks about twice as long as classifying the test set."""
    return InputAnswers(
        engine.predict(inputs.test.images),
        engine.predict(inputs.golden),
        {
            name: engine.predict(images).probabilities.argmax(axis=1) == inputs.set_labels
            for name, images in inputs.sets.items()
        },
        engine.predict(not_digits.draw()) if _knows_not_digits(engine) else None,
    )


def _knows_not_digits(engine: Engine) -> bool:
    spec = engine.spec
    return spec.acceptance is not None and (spec.shape, spec.labels) == (MNIST_SHAPE, MNIST_LABELS)


def summarize(probabilities: Probabilities, labels: Labels) -> Reading:
    """Summarize the answers float32[N,K] to images with these labels."""
    classes = probabilities.shape[1]
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][:MAX_MISTAKES]
    confusion = statistics.confusion(predictions, labels, classes) if classes <= MAX_CONFUSION_LABELS else []
    bins = statistics.reliability(probabilities, labels)
    correct = len(labels) - len(wrong)
    return Reading(
        len(labels),
        correct,
        statistics.wilson_interval(correct, len(labels)),
        statistics.recalls(predictions, labels, classes),
        statistics.calibration_error(bins),
        confusion,
        bins,
        [
            Mistake(int(row), int(labels[row]), int(predictions[row]), float(probabilities[row, predictions[row]]))
            for row in worst
        ],
    )
