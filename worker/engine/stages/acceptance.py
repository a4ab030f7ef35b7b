"""The acceptance rule of a version: the score says how sure it is that an image shows one of its labels at all."""

import numpy as np

from shared.answers import Scores
from shared.contract.model_spec import Acceptance
from shared.images import Probabilities

_TINY = np.float32(1e-35)  # keeps the sum above 0 if "none of the labels" has the probability 1


def score(outputs: Probabilities, rule: Acceptance | None) -> tuple[Probabilities, Scores | None]:
    """Return the probabilities float32[N,K] over the labels, and the scores float32[N] if there is a rule.

    With `none_label`, `outputs` float32[N,K+1] end in "none of the labels". The score is the largest output of a label,
    so it is low for an image that is none of them. The probabilities are relative to the other labels.
    """
    if rule is None:
        return outputs, None
    if not rule.none_label:
        return outputs, np.maximum.reduce(outputs, axis=1)
    labels = outputs[:, :-1]
    shares = labels + _TINY
    probabilities: Probabilities = shares / shares.sum(axis=1, keepdims=True)
    return probabilities, np.maximum.reduce(labels, axis=1)
