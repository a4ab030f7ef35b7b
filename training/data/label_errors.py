"""Known label errors of MNIST's test set: rows whose published label most of five people did not see in the image.

C. G. Northcutt, A. Athalye and J. Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
Benchmarks" (NeurIPS 2021). The votes are in `mturk/mnist_mturk.json` of the repository `cleanlab/label-errors`.
"""

import numpy as np

from shared.data.dataset import Split

SOURCE = "Northcutt, Athalye and Mueller, NeurIPS 2021: cleanlab/label-errors, mturk/mnist_mturk.json"
TEST_IMAGES = 10_000
# Row -> the label that at least three of the five saw, or None if they saw no label so often.
CORRECTED: dict[int, int | None] = {
    947: 9,
    1621: 6,
    1901: 4,
    2130: None,
    2462: 0,
    2597: 3,
    2654: None,
    3520: None,
    3558: 0,
    5937: 3,
    6651: 6,
    6783: 6,
    8527: None,
    9679: None,
    9729: 6,
}


def count_right(predictions: np.ndarray, test: Split) -> tuple[int, int]:
    """Return how many predictions int64[10000] are right by the corrected labels, and of how many images.

    Images without a label that most people saw are left out.
    """
    labels = test.labels.astype(np.int64)
    kept = np.ones(len(labels), np.bool_)
    for row, label in CORRECTED.items():
        kept[row] = label is not None
        labels[row] = -1 if label is None else label
    return int((predictions == labels)[kept].sum()), int(kept.sum())
