"""The images of a training run: which dataset, and which of its images are held out for validation."""

from pathlib import Path

import numpy as np

from shared.data import dataset
from shared.errors import DatasetError

VALIDATION_IMAGES = 5_000  # for MNIST's 60,000 images; a tenth of smaller datasets
VALIDATION_SEED = 0  # not the seed of the run, so that runs with different seeds stay comparable


def choose_split(mnist_dir: Path | None, sample: bool, limit_images: int | None) -> dataset.Split:
    """Return up to `limit_images` of MNIST's training split, or of the sample. Raises DatasetError without MNIST."""
    directory = None if sample else dataset.find_mnist_dir(mnist_dir)
    if directory is None and not sample:
        raise DatasetError("MNIST is missing: download it with `make data`, or train on the sample with --sample")
    split = dataset.load_split("train", directory)
    return dataset.Split(split.name, split.images[:limit_images], split.labels[:limit_images])


def hold_out(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers 0 to count-1 as (training, validation), always with the same images held out.

    Versions are chosen by their accuracy on the validation images. The test set is only for the quality gate.
    """
    shuffled = np.random.default_rng(VALIDATION_SEED).permutation(count)
    held_out = min(VALIDATION_IMAGES, count // 10)
    return shuffled[held_out:], shuffled[:held_out]
