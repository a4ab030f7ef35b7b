"""The `train` command: choose the data, train, and save the weights with a record of the run."""

import importlib.metadata
import time
from argparse import Namespace
from dataclasses import asdict, fields
from datetime import UTC, datetime

import keras

from shared.data import dataset
from shared.data.dataset import Split
from shared.errors import DatasetError
from training import architecture, train, weights
from training.data import pictures
from training.data.splits import choose_split
from training.loop.checkpoint import open_checkpoint
from training.loop.progress import JsonLines


def run(options: Namespace, command: str) -> None:
    """Train with the `options` of the command and record `command` next to the weights.

    Raises DatasetError if MNIST is missing and `--sample` is not given, and for pictures that cannot be used. Raises
    ModelError for weights files of an unknown suffix or that cannot be loaded, and for the checkpoint of another run.
    """
    weights.check_name(options.weights)
    split = choose_split(options.mnist_dir, options.sample, options.limit_images)
    start = None if options.start is None else weights.load(options.start)[0]
    teachers = [weights.load(path)[0] for path in options.teacher]
    added = _read_pictures(options)
    plan = train.Plan(**{field.name: getattr(options, field.name) for field in fields(train.Plan)})
    curves = options.log or weights.curves_path(options.weights)
    curves.parent.mkdir(parents=True, exist_ok=True)
    identity = _identity(options, plan, split, added)
    checkpoint = open_checkpoint(weights.checkpoint_path(options.weights), identity, options.resume)
    started_s = time.monotonic()
    json_lines = options.progress == "json"
    trained = train.fit(
        split,
        plan,
        pictures=added,
        teachers=teachers,
        curves=curves,
        checkpoint=checkpoint,
        start=start,
        extra_callbacks=[JsonLines()] if json_lines else [],
        verbose=not json_lines,
    )
    record = {
        "command": command,
        "architecture": architecture.NETWORKS[plan.network].description,
        "data_sha256": {name: dataset.SHA256[name] for name in dataset.FILES["train"]} if split.name == "mnist" else {},
        **identity,
        "resumed_after_epochs": checkpoint.epochs_done,
        **_outcome(trained, time.monotonic() - started_s),
    }
    weights.save(trained.model, options.weights, record)
    checkpoint.remove()
    print(f"Wrote {options.weights}, {weights.record_path(options.weights).name} and {curves}")


def _read_pictures(options: Namespace) -> list[pictures.Pictures]:
    added = [pictures.read(path) for path in options.pictures]
    if any((each.labels == pictures.NONE).any() for each in added) and not options.none_label:
        raise DatasetError("--pictures has images of none of the labels: they need --none-label")
    return added


def _outcome(trained: train.Trained, wall_s: float) -> dict[str, object]:
    """Return the end of the record: the last losses and accuracies, the duration, and the versions of the packages."""
    backend = keras.backend.backend()
    return {
        "final": {name: round(values[-1], 5) for name, values in trained.history.items()},
        "wall_s": round(wall_s),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        backend: importlib.metadata.version(backend),
        "keras": keras.__version__,
    }


def _identity(options: Namespace, plan: train.Plan, split: Split, added: list[pictures.Pictures]) -> dict[str, object]:
    """Return what the weights depend on. A checkpoint with another identity is refused."""
    return asdict(plan) | {
        "start": None if options.start is None else weights.origin(options.start),
        "teachers": [weights.origin(path) for path in options.teacher],
        "dataset": split.name,
        "images": len(split.images),
        "pictures": {path.name: each.sha256 for path, each in zip(options.pictures, added, strict=True)},
    }
