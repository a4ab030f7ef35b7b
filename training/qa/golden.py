"""The golden images, which every version must classify correctly.

For models of digits, they are drawn stroke by stroke. An imported version has a file with some of its examples.
"""

import zipfile
from pathlib import Path

import numpy as np

from shared.data.dataset import Labels
from shared.data.handwriting import STROKES, write
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.shapes import CLASSES

FILE = "golden.npz"
PER_LABEL = 3
MAX_BYTES = 8 << 20  # pixels of all golden images of a version
STYLES = ((0.0, 2.2), (0.0, 3.2), (0.15, 2.6))  # (slant to the right, width of the pen in pixels)


def draw() -> tuple[Images, Labels]:
    """Return images uint8[30,28,28] and labels uint8[30]: each digit in three styles. Row i shows digit i % 10."""
    labels = (np.arange(len(STYLES) * CLASSES) % CLASSES).astype(np.uint8)
    images = [write(STROKES[digit], slant, width_px) for slant, width_px in STYLES for digit in range(CLASSES)]
    return np.stack(images), labels


def choose(images: Images, labels: Labels, probabilities: Probabilities) -> tuple[Images, Labels]:
    """Return the most confident correct answers of each label: up to PER_LABEL images, and MAX_BYTES in total."""
    confidences = np.where(probabilities.argmax(axis=1) == labels, probabilities.max(axis=1), -1)
    rows: list[int] = []
    for rank in range(PER_LABEL):
        for label in np.unique(labels):
            of_label = np.flatnonzero(labels == label)
            best = of_label[np.argsort(-confidences[of_label], kind="stable")][rank : rank + 1]
            rows += [int(row) for row in best if confidences[row] > 0]
    rows = sorted(rows[: max(1, MAX_BYTES // images[0].nbytes)])
    return images[rows], labels[rows]


def write_file(directory: Path, images: Images, labels: Labels) -> None:
    """Write the golden images of a version next to its model."""
    np.savez_compressed(directory / FILE, images=images, labels=labels)


def read_file(directory: Path) -> tuple[Images, Labels] | None:
    """Return the golden images of a version, or None if it has none. Raises ModelError for a damaged file."""
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
