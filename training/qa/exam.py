"""What an engine is shown, and what it said."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels, Split
from shared.images import Images, Probabilities
from training.qa import golden, robustness, statistics
from training.qa.report.report import Mistake, Reading
from worker.engine import Engine

SET_IMAGES = 2_000  # of the test set, evenly spread: enough to see a loss of 2 %, and large models take minutes
MAX_MISTAKES = 100  # of a report; a bad version makes thousands


@dataclass(frozen=True, slots=True)
class Exam:
    """The same for every version: the test set, the golden images, and by name the sets made of some test images."""

    test: Split
    golden: Images
    golden_labels: Labels
    sets: dict[str, Images]
    set_labels: Labels


@dataclass(frozen=True, slots=True)
class Answers:
    """float32[N,10] for the test set and the golden images; bool[S], read right, for each of the sets."""

    test: Probabilities
    golden: Probabilities
    sets: dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Side:
    """A version and what it made of the exam."""

    ref: str
    answers: Answers
    reading: Reading


def make_exam(test: Split) -> Exam:
    images, labels = golden.draw()
    some = slice(None, None, max(1, len(test.images) // SET_IMAGES))
    return Exam(test, images, labels, robustness.make_sets(test.images[some]), test.labels[some])


def take(engine: Engine, exam: Exam) -> Answers:
    """Show `engine` everything. Blocks for as long as it takes to read the test set twice or so."""
    return Answers(
        engine.predict(exam.test.images),
        engine.predict(exam.golden),
        {name: engine.predict(images).argmax(axis=1) == exam.set_labels for name, images in exam.sets.items()},
    )


def summarize(probabilities: Probabilities, labels: Labels) -> Reading:
    """How the test images were read. probabilities float32[N,10], labels uint8[N]."""
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][:MAX_MISTAKES]
    confusion = statistics.confusion(predictions, labels)
    bins = statistics.reliability(probabilities, labels)
    correct = len(labels) - len(wrong)
    return Reading(
        len(labels),
        correct,
        statistics.wilson_interval(correct, len(labels)),
        statistics.recalls(confusion),
        statistics.calibration_error(bins),
        confusion,
        bins,
        [
            Mistake(int(row), int(labels[row]), int(predictions[row]), float(probabilities[row, predictions[row]]))
            for row in worst
        ],
    )
