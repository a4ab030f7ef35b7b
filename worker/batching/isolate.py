"""Isolates a bad image, so that it fails alone and not with its batch."""

from collections.abc import Callable

import numpy as np

from shared.images import CLASSES, Images, Probabilities


def predict_isolating(
    predict: Callable[[Images], Probabilities], images: Images
) -> tuple[Probabilities, dict[int, str]]:
    """Return float32[N,10], and the reason for each position without an answer, whose row is zeros.

    A batch that raises is run again in halves until the image that raises is alone. A row that is not finite is a fault
    of its image.
    """
    try:
        probabilities = predict(images)
        if probabilities.shape != (len(images), CLASSES):
            raise ValueError(f"the engine answered {list(probabilities.shape)} to {len(images)} images")
    except Exception as error:
        if len(images) <= 1:
            reason = f"the model raised {error!r}"
            return np.zeros((len(images), CLASSES), np.float32), dict.fromkeys(range(len(images)), reason)
        return _predict_halves(predict, images)
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    if finite.all():
        return probabilities, {}
    bad = np.flatnonzero(~finite)
    return np.where(finite[:, None], probabilities, np.float32(0)), {
        int(position): "the model's answer is not finite" for position in bad
    }


def _predict_halves(predict: Callable[[Images], Probabilities], images: Images) -> tuple[Probabilities, dict[int, str]]:
    middle = len(images) // 2
    left, left_faults = predict_isolating(predict, images[:middle])
    right, right_faults = predict_isolating(predict, images[middle:])
    faults = left_faults | {middle + position: reason for position, reason in right_faults.items()}
    return np.concatenate((left, right)), faults
