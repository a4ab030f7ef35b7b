"""The `evaluate` command: measure accuracy on the test set in the engine that serves."""

import os
from argparse import Namespace
from pathlib import Path

import numpy as np

from shared.config.settings import load_settings
from shared.contract.drift_histograms import Counts, bins_of, histograms, shares
from shared.contract.model_card import AcceptanceRow, ModelCard, Quality
from shared.data import dataset
from shared.errors import DatasetError, ModelError
from shared.models import registry
from shared.models.mirror import open_registry
from training.data import label_errors
from training.data.splits import hold_out
from training.fitting import acceptance
from training.fitting.temperature import fit_temperature
from training.publishing import card
from worker.engine import Engine, load_engine

BATCH_IMAGES = 4096


def run(options: Namespace, command: str) -> None:
    """Print a version's accuracy. With `--write`, fit its temperature first, and write both to its card.

    With `--lose`, also fit the threshold of its acceptance rule. The temperatures of a cascade stay, because its
    thresholds were chosen with them, and so does the temperature of a version with a rule that is not fitted again.

    Raises ModelError for a missing version, for a URL with `--write`, and for `--lose` without `--write` or a rule.
    Raises DatasetError for `--write` without MNIST.
    """
    _check(options)
    models = open_registry(options.models_dir, load_settings(os.environ).models_cache_dir)
    version = registry.load_version(models, options.model)
    mnist_dir = dataset.find_mnist_dir(options.mnist_dir, None if options.write else "test")
    split = dataset.load_split("test", mnist_dir)
    if options.write and split.name != "mnist":
        raise DatasetError("--write records the accuracy on MNIST, which is missing: download it with `make data`")
    engine = load_engine(options.engine, version.directory, threads=os.cpu_count() or 1)
    fitted: ModelCard = {}
    if options.write:
        train = dataset.load_split("train", mnist_dir)
        fitted = fit(engine, train, options.lose)
    answers = engine.predict(split.images)
    quality = card.describe_quality(answers.probabilities, split, engine.kind)
    _print_quality(version.ref, quality)
    if split.name == "mnist" and len(split.images) == label_errors.TEST_IMAGES:
        correct, images = label_errors.count_right(answers.probabilities.argmax(axis=1), split)
        fitted["corrected"] = {"images": images, "correct": correct, "source": label_errors.SOURCE}
        print(f"with the known label errors corrected: {correct} of {images} ({label_errors.SOURCE})")
    if "acceptance" in version.card:
        rule: AcceptanceRow = {**version.card["acceptance"], **fitted.get("acceptance", {})}
        test = acceptance.describe(answers, split.labels, rule["threshold"])
        fitted["acceptance"] = {**rule, "test": test}
        print(
            f"its rule accepts scores from {rule['threshold']:g}: "
            f"{test['lost']} images are lost, {test['wrong']} of the accepted are wrong"
        )
    if options.write:
        measured: ModelCard = {**fitted, "reference": reference(engine, train)}
        card.write(version.directory, {**version.card, **quality, **measured})


def _check(options: Namespace) -> None:
    if options.write and not isinstance(options.models_dir, Path):
        raise ModelError("--write needs a registry that is a folder, not a URL")
    if options.lose is not None and not options.write:
        raise ModelError("--lose fits the rule on the card: it needs --write")


def _print_quality(ref: str, quality: Quality) -> None:
    accuracy = quality["accuracy"]
    low, high = accuracy["interval_95"]
    print(
        f"{ref} on the {accuracy['images']} test images of {accuracy['dataset']}, in {accuracy['engine']}: "
        f"{accuracy['correct']} correct, {accuracy['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"calibration error {quality['calibration_error']:.4f}"
    )


def fit(engine: Engine, train: dataset.Split, lose: float | None) -> ModelCard:
    """Fit what `run` says to the images of the training split that no training uses. Return the fields of the card."""
    _, rows = hold_out(len(train.images))
    images, labels = train.images[rows], train.labels[rows]
    fitted: ModelCard = {}
    if not engine.spec.stages and (engine.spec.acceptance is None or lose is not None):
        (network,) = engine.networks
        network.temperature = 1.0
        network.temperature = fitted["temperature"] = fit_temperature(network.predict(images), labels)
    if lose is not None:
        answers = engine.predict(images)
        if answers.scores is None:
            raise ModelError("--lose needs a version with an acceptance rule, and its card has none")
        threshold = acceptance.threshold_of(answers.scores, lose)
        held_out = acceptance.describe(answers, labels, threshold)
        fitted["acceptance"] = {"threshold": threshold, "held_out": held_out}
    return fitted


def reference(engine: Engine, split: dataset.Split) -> dict[str, list[float]]:
    """Return the card's `reference`: histograms of `split` and of the answers, with which the service detects drift."""
    bins = bins_of(engine.spec.array_shape, len(engine.spec.labels))
    counts: dict[str, Counts] = {name: np.zeros(count, np.int64) for name, count in bins.items()}
    for start in range(0, len(split.images), BATCH_IMAGES):
        images = split.images[start : start + BATCH_IMAGES]
        for name, batch_counts in histograms(images, engine.predict(images).probabilities).items():
            counts[name] += batch_counts
    return shares(counts)
