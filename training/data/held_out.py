"""The images that are held out of every training, to choose by; the test set is for judging alone."""

import numpy as np

VALIDATION_IMAGES = 5_000  # of MNIST's 60,000; of less, a tenth
VALIDATION_SEED = 0  # not the run's own: runs with other seeds stay comparable


def hold_out(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers 0 to count-1 into (training, validation), always the same way."""
    shuffled = np.random.default_rng(VALIDATION_SEED).permutation(count)
    held_out = min(VALIDATION_IMAGES, count // 10)
    return shuffled[held_out:], shuffled[:held_out]
