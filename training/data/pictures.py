"""Pictures in a file of `python -m tools.training_pictures`, which training adds to the dataset."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.data.dataset import Labels
from shared.errors import DatasetError
from shared.images import Images
from shared.shapes import CLASSES, IMAGE_SIDE

NONE = CLASSES  # the label of what is none of the labels


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images uint8[N,28,28], labels uint8[N] from 0 to NONE, and the SHA-256 of their file."""

    images: Images
    labels: Labels
    sha256: str


def read(path: Path) -> Pictures:
    """Read a file of pictures. Raises DatasetError for a file that is missing or is no such file."""
    try:
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no file of `python -m tools.training_pictures`: {error}") from None
    if images.dtype != np.uint8 or images.shape[1:] != (IMAGE_SIDE, IMAGE_SIDE) or labels.shape != images.shape[:1]:
        raise DatasetError(f"{path} has {images.dtype}{list(images.shape)} and {list(labels.shape)} labels")
    if len(labels) and labels.max() > NONE:
        raise DatasetError(f"{path} has the label {labels.max()}: expected 0 to {NONE}")
    return Pictures(images, labels.astype(np.uint8), hashlib.sha256(path.read_bytes()).hexdigest())
