"""Temperature scaling, which makes a model's probabilities match how often it is right."""

import numpy as np

from shared.images import Probabilities


def scale(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Divide the logits of softmax answers float32[N,K] by `temperature`. The order of the classes does not change.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2. The logits are not needed:
    softmax(z / T) is softmax(z) to the power of 1 / T, divided by its sum.
    """
    if temperature == 1.0:
        return probabilities
    powers = probabilities ** np.float32(1 / temperature)
    scaled: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return scaled
