"""The `train` command: choose the data, train, save the weights with the record of how they came about."""

import hashlib
import time
from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime

import keras
import tensorflow as tf

from shared import dataset
from training import architecture, train, weights
from training.checkpoint import open_checkpoint
from training.data import choose_split
from training.pool import load as load_pool
from training.progress import JsonLines


def run(options: Namespace, command: str) -> None:
    """Train as `options` of `training/__main__.py` say. `command` is recorded beside the weights.

    Raises DatasetError when only the drawn sample is there and `--sample` does not ask for it, ModelError
    for a weights file of unknown ending, or a pool or checkpoint of something else.
    """
    weights.check_name(options.weights)
    split = choose_split(options.mnist_dir, options.sample, options.limit_images)
    pool = None if options.pool is None else load_pool(options.pool, split)
    start, its_training = (None, None) if options.start is None else weights.load(options.start)
    plan = train.Plan(
        options.network,
        options.num_epochs,
        options.batch_size,
        options.seed,
        options.augment,
        options.distortion,
        options.learning_rate,
    )
    curves = options.log or weights.curves_path(options.weights)
    curves.parent.mkdir(parents=True, exist_ok=True)
    origin = start and {"sha256": hashlib.sha256(options.start.read_bytes()).hexdigest(), "training": its_training}
    identity = asdict(plan) | {
        "start": origin,
        "dataset": split.name,
        "images": len(split.images),
        "pool": pool and pool.record,
    }
    checkpoint = open_checkpoint(weights.checkpoint_path(options.weights), identity, options.resume)
    started_s = time.monotonic()
    lines = options.progress == "json"
    also = [JsonLines()] if lines else []
    trained = train.fit(
        split, plan, pool=pool, curves=curves, checkpoint=checkpoint, start=start, also=also, verbose=not lines
    )
    record = {
        "command": command,
        "architecture": architecture.NETWORKS[plan.network].description,
        "dataset": split.name,
        "data_sha256": {name: dataset.SHA256[name] for name in dataset.FILES["train"]} if split.name == "mnist" else {},
        "images": len(split.images),
        **asdict(plan),
        "pool": pool and pool.record,
        "start": origin,
        "resumed_after_epochs": checkpoint.epochs_done,
        "final": {name: round(values[-1], 5) for name, values in trained.history.items()},
        "wall_s": round(time.monotonic() - started_s),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    weights.save(trained.model, options.weights, record)
    checkpoint.remove()
    print(f"Wrote {options.weights}, {weights.record_path(options.weights).name} and {curves}")
