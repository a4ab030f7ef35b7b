"""The `train` command: choose the data, train, save the weights with the record of how they came about."""

import time
from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import keras
import tensorflow as tf

from shared import dataset
from shared.errors import DatasetError
from training import train, weights


def run(options: Namespace, command: str) -> None:
    """Train as `options` of `training/__main__.py` say. `command` is recorded beside the weights.

    Raises DatasetError when only the drawn sample is there and `--sample` does not ask for it, ModelError
    for a weights file of unknown ending.
    """
    weights.check_name(options.weights)
    split = choose_split(options.mnist_dir, options.sample, options.limit_images)
    plan = train.Plan(options.network, options.num_epochs, options.batch_size, options.seed, options.augment)
    curves = options.log or weights.curves_path(options.weights)
    curves.parent.mkdir(parents=True, exist_ok=True)
    started_s = time.monotonic()
    trained = train.fit(split, plan, curves)
    record = {
        "command": command,
        "dataset": split.name,
        "data_sha256": {name: dataset.SHA256[name] for name in dataset.FILES["train"]} if split.name == "mnist" else {},
        "images": len(split.images),
        **asdict(plan),
        "final": {name: round(values[-1], 5) for name, values in trained.history.items()},
        "wall_s": round(time.monotonic() - started_s),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    weights.save(trained.model, options.weights, record)
    print(f"Wrote {options.weights}, {weights.record_path(options.weights).name} and {curves}")


def choose_split(mnist_dir: Path | None, sample: bool, limit_images: int | None) -> dataset.Split:
    """Return the training split to use: MNIST, or the sample where asked for, cut to its first images."""
    directory = None if sample else dataset.find_mnist_dir(mnist_dir)
    if directory is None and not sample:
        raise DatasetError("MNIST is not here: fetch it with `make data`, or train on the sample with --sample")
    split = dataset.load_split("train", directory)
    return dataset.Split(split.name, split.images[:limit_images], split.labels[:limit_images])
