"""The `evaluate` command: accuracy on the test set in the very engine that serves."""

import os
from argparse import Namespace
from typing import Any

from shared import dataset, registry
from shared.errors import DatasetError
from training import card
from worker.engine import Engine, load_engine


def run(options: Namespace, command: str) -> None:
    """Print a version's accuracy and, with `--write`, put what was measured on its card.

    Raises ModelError for a version that is not there, DatasetError when `--write` has only the sample.
    """
    version = registry.load_version(options.models_dir, options.model)
    split = dataset.load_split("test", dataset.find_mnist_dir(options.mnist_dir))
    if options.write and split.name != "mnist":
        raise DatasetError("a card records accuracy on MNIST, which is not here: fetch it with `make data`")
    engine = load_engine(options.engine, version.directory, threads=os.cpu_count() or 1)
    quality = measure(engine, split)
    accuracy = quality["accuracy"]
    low, high = accuracy["interval_95"]
    print(
        f"{version.ref} on the {accuracy['images']} test images of {split.name}, in {engine.kind}: "
        f"{accuracy['correct']} correct, {accuracy['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    )
    if options.write:
        card.write(version.directory, version.card | quality)


def measure(engine: Engine, split: dataset.Split) -> dict[str, Any]:
    """Return the fields of a card that say how good it is, by the likeliest class of each of the images."""
    return card.describe_quality(engine.predict(split.images), split, engine.kind)
