"""Isolates a bad image, so that it fails alone and not with its batch."""

from collections.abc import Callable

import numpy as np

from shared.answers import Answers, join, no_answers
from shared.images import Images


def predict_isolating(predict: Callable[[Images], Answers], images: Images) -> tuple[Answers, dict[int, str]]:
    """Return the answers, and the reason for each position without an answer, whose row is zeros.

    A batch that raises is run again in halves until the image that raises is alone. A row with a value that is not
    finite is a fault of its image.
    """
    try:
        answers = predict(images)
        if len(answers.probabilities) != len(images):
            raise ValueError(f"the engine answered {list(answers.probabilities.shape)} to {len(images)} images")
    except Exception as error:
        if len(images) <= 1:
            reason = f"the model raised {error!r}"
            return no_answers(len(images)), dict.fromkeys(range(len(images)), reason)
        return _predict_halves(predict, images)
    numbers = np.isfinite(answers.probabilities)
    if np.logical_and.reduce(numbers, axis=None):
        return answers, {}
    finite = np.asarray(numbers.all(axis=1))
    bad = np.flatnonzero(~finite)
    blanked = answers._replace(probabilities=np.where(finite[:, None], answers.probabilities, np.float32(0)))
    return blanked, {int(position): "the model's answer is not finite" for position in bad}


def _predict_halves(predict: Callable[[Images], Answers], images: Images) -> tuple[Answers, dict[int, str]]:
    middle = len(images) // 2
    left, left_faults = predict_isolating(predict, images[:middle])
    right, right_faults = predict_isolating(predict, images[middle:])
    faults = left_faults | {middle + position: reason for position, reason in right_faults.items()}
    return join((left, right)), faults
