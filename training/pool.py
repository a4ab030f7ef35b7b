"""The `pool` command: distorted training images with what a teacher says of them, for students to learn from.

A large teacher costs more per image than a small student's whole training step, so it is asked once per distorted
image, and the students pass over the same images several times. Distillation after Hinton, Vinyals and Dean,
"Distilling the Knowledge in a Neural Network" (2015), at temperature 1: the teachers were trained with smoothed labels.
"""

import hashlib
import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shared import dataset
from shared.errors import ModelError
from shared.images import CLASSES, IMAGE_SIDE
from training import augment, weights
from training.data import choose_split
from training.validation import hold_out

BATCH_IMAGES = 500
RECORD = "pool.json"


@dataclass(frozen=True, slots=True)
class Pool:
    """`copies` distorted versions of the N training images that are not held out, and the teachers' answers.

    `images` uint8[copies,N,28,28], `answers` float32[copies,N,10], both read from disk as they are used.
    """

    images: np.ndarray
    answers: np.ndarray
    record: dict[str, Any]


def run(options: Namespace, command: str) -> None:
    """Make the pool as `options` of `training/__main__.py` say. Raises what `choose_split` and `weights.load` do."""
    split = choose_split(options.mnist_dir, options.sample, options.limit_images)
    teachers = [weights.load(path)[0] for path in options.teacher]
    record = {
        "command": command,
        "dataset": split.name,
        "images": len(split.images),
        "copies": options.copies,
        "seed": options.seed,
        "teachers": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in options.teacher},
    }
    make(split, teachers, options.copies, options.seed, options.pool, record)
    print(f"Wrote {options.pool}: {options.copies} copies")


def make(
    split: dataset.Split,
    teachers: Sequence[keras.Model],
    copies: int,
    seed: int,
    directory: Path,
    record: dict[str, Any],
) -> None:
    """Write a pool into `directory`; its record comes last, so that half a pool is none."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / RECORD).unlink(missing_ok=True)
    pixels = split.images[hold_out(len(split.images))[0], ..., None]
    shape = (copies, len(pixels))
    images = _create(directory / "images.npy", np.uint8, (*shape, IMAGE_SIDE, IMAGE_SIDE))
    answers = _create(directory / "answers.npy", np.float32, (*shape, CLASSES))
    distort = tf.function(augment.distort)
    answer = [tf.function(teacher) for teacher in teachers]
    progress = keras.utils.Progbar(copies, unit_name="copy")
    for copy in range(copies):
        for start in range(0, len(pixels), BATCH_IMAGES):
            rows = slice(start, start + BATCH_IMAGES)
            draw = tf.constant([seed, copy * len(pixels) + start], tf.int64)
            distorted = tf.round(distort(tf.cast(pixels[rows], tf.float32), draw))
            images[copy, rows] = distorted[..., 0]
            answers[copy, rows] = np.mean([teacher(distorted, training=False) for teacher in answer], axis=0)
        progress.update(copy + 1)
    images.flush()
    answers.flush()
    (directory / RECORD).write_text(json.dumps(record, indent=2) + "\n")


def load(directory: Path, split: dataset.Split) -> Pool:
    """Raises ModelError when there is no whole pool, or one of other images than `split`."""
    try:
        record = json.loads((directory / RECORD).read_text())
        images = np.load(directory / "images.npy", mmap_mode="r")
        answers = np.load(directory / "answers.npy", mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ModelError(f"{directory} is no pool: {error}; `python -m training pool` makes it") from None
    if (record["dataset"], record["images"]) != (split.name, len(split.images)):
        raise ModelError(
            f"{directory} is of {record['images']} images of {record['dataset']}, "
            f"and the training has {len(split.images)} of {split.name}"
        )
    return Pool(images, answers, record)


def _create(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, "w+", dtype, shape)
