"""Which images a training learns from."""

from pathlib import Path

from shared.data import dataset
from shared.errors import DatasetError


def choose_split(mnist_dir: Path | None, sample: bool, limit_images: int | None) -> dataset.Split:
    """Return the training split to use: MNIST, or the sample where asked for, cut to its first images.

    Raises DatasetError when MNIST is not there, or damaged.
    """
    directory = None if sample else dataset.find_mnist_dir(mnist_dir)
    if directory is None and not sample:
        raise DatasetError("MNIST is not here: fetch it with `make data`, or train on the sample with --sample")
    split = dataset.load_split("train", directory)
    return dataset.Split(split.name, split.images[:limit_images], split.labels[:limit_images])
