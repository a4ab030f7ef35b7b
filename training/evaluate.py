"""The `evaluate` command: measure accuracy on the test set in the engine that serves."""

import os
from argparse import Namespace
from pathlib import Path

import numpy as np

from shared.config.settings import load_settings
from shared.contract.drift_histograms import Counts, bins_of, histograms, shares
from shared.contract.model_card import ModelCard, Quality
from shared.data import dataset
from shared.errors import DatasetError, ModelError
from shared.models import registry
from shared.models.mirror import open_registry
from training.data.splits import hold_out
from training.publishing import card
from training.temperature import fit_temperature
from worker.engine import Engine, load_engine

BATCH_IMAGES = 4096


def run(options: Namespace, command: str) -> None:
    """Print a version's accuracy. With `--write`, fit its temperature first, and write both to its card.

    The temperatures of a cascade and of a version with an acceptance rule stay: their thresholds were chosen with them.

    Raises ModelError for a missing version and for a URL with `--write`, DatasetError for `--write` without MNIST.
    """
    if options.write and not isinstance(options.models_dir, Path):
        raise ModelError("--write needs a registry that is a folder, not a URL")
    models = open_registry(options.models_dir, load_settings(os.environ).models_cache_dir)
    version = registry.load_version(models, options.model)
    mnist_dir = dataset.find_mnist_dir(options.mnist_dir, None if options.write else "test")
    split = dataset.load_split("test", mnist_dir)
    if options.write and split.name != "mnist":
        raise DatasetError("--write records the accuracy on MNIST, which is missing: download it with `make data`")
    engine = load_engine(options.engine, version.directory, threads=os.cpu_count() or 1)
    if options.write:
        train = dataset.load_split("train", mnist_dir)
        fitted: ModelCard = {}
        if not version.spec.stages and version.spec.acceptance is None:
            fitted = {"temperature": fit(engine, train)}
    quality = measure(engine, split)
    accuracy = quality["accuracy"]
    low, high = accuracy["interval_95"]
    print(
        f"{version.ref} on the {accuracy['images']} test images of {split.name}, in {engine.kind}: "
        f"{accuracy['correct']} correct, {accuracy['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"calibration error {quality['calibration_error']:.4f}"
    )
    if options.write:
        card.write(version.directory, {**version.card, **quality, **fitted, "reference": reference(engine, train)})


def fit(engine: Engine, train: dataset.Split) -> float:
    """Fit the temperature of the only network to the images of the training split that no training uses."""
    _, held_out = hold_out(len(train.images))
    (network,) = engine.networks
    network.temperature = 1.0
    network.temperature = fit_temperature(network.predict(train.images[held_out]), train.labels[held_out])
    return network.temperature


def measure(engine: Engine, split: dataset.Split) -> Quality:
    """Return the fields of a card that `card.describe_quality` computes from the engine's answers on `split`."""
    return card.describe_quality(engine.predict(split.images).probabilities, split, engine.kind)


def reference(engine: Engine, split: dataset.Split) -> dict[str, list[float]]:
    """Return the card's `reference`: histograms of `split` and of the answers, with which the service detects drift."""
    bins = bins_of(engine.spec.array_shape, len(engine.spec.labels))
    counts: dict[str, Counts] = {name: np.zeros(count, np.int64) for name, count in bins.items()}
    for start in range(0, len(split.images), BATCH_IMAGES):
        images = split.images[start : start + BATCH_IMAGES]
        for name, batch_counts in histograms(images, engine.predict(images).probabilities).items():
            counts[name] += batch_counts
    return shares(counts)
