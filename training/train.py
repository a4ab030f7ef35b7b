"""A training run: from a split of the dataset to a model with averaged weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shared.data.dataset import Split
from shared.images import CLASSES
from training import architecture
from training.checkpoint import Checkpoint
from training.data import augment, typeset
from training.data.splits import hold_out

WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05
TEACHER_SHARE = 0.75  # weight of the teachers' answers in a student's targets; the labels have the rest
WARMUP_SHARE = 0.05  # share of all steps
AVERAGED_STEPS = 500  # length of the weights' moving average; shorter runs average over a tenth of their steps


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run. On one machine, the same plan and images always give the same weights."""

    network: str
    epochs: int
    batch_size: int
    seed: int
    augment: bool
    distortion: float = 1.0  # strength of the augmentation
    learning_rate: float = 3e-3
    hold_out: bool = True  # hold out some images for validation; otherwise train on all images without validation
    typeset: int = 0  # number of typeset digits in addition to the dataset


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a run: a model with averaged weights and no optimizer, and loss and accuracies per epoch."""

    model: keras.Model
    history: dict[str, list[float]]


def fit(
    split: Split,
    plan: Plan,
    *,
    teachers: Sequence[keras.Model] = (),
    curves: Path | None = None,
    checkpoint: Checkpoint | None = None,
    start: keras.Model | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> Trained:
    """Train a network, or resume its training from `checkpoint`.

    `teachers` are distilled: the network learns their average answer to each distorted image, following Hinton,
    Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015). The temperature is 1 because teachers are
    trained with label smoothing. For typeset digits only the labels count, because teachers may not know typefaces.

    `start` is a trained model of the same network to fine-tune. `curves` is a CSV file that gets a row per epoch.
    `verbose` shows Keras's progress bar. The returned history has only the epochs since the checkpoint.
    """
    keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()  # otherwise threads add numbers in any order
    rows, validation = hold_out(len(split.images)) if plan.hold_out else (np.arange(len(split.images)), None)
    examples = training_set(split, rows, plan)
    batch_size = min(plan.batch_size, len(examples.images))
    steps_per_epoch = len(examples.images) // batch_size
    model = architecture.build(plan.network)
    if start is not None:
        copy_weights(model, start)
    model.compile(
        optimizer=make_optimizer(steps_per_epoch * plan.epochs, plan.learning_rate),
        # Only labels are smoothed. The answers of teachers are smooth already.
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.0 if teachers else LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    epochs_done = checkpoint.epochs_done if checkpoint else 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):  # draws once per step; the checkpoint lacks its random state
            layer.seed_generator.state.assign_add([0, epochs_done * steps_per_epoch])
    history = model.fit(
        batches(examples, batch_size, plan, teachers, epochs_done),
        steps_per_epoch=steps_per_epoch,
        epochs=plan.epochs,
        shuffle=False,  # `batches` shuffles
        validation_data=None if validation is None else _validation_data(split, validation),
        validation_batch_size=500,
        callbacks=[*callbacks(plan, curves, checkpoint), *extra_callbacks],
        verbose="auto" if verbose else 0,
    )
    # A fresh model has no optimizer state, which would make the saved file three times as large.
    without_optimizer = architecture.build(plan.network)
    without_optimizer.set_weights(model.get_weights())
    return Trained(without_optimizer, history.history)


def copy_weights(model: keras.Model, start: keras.Model) -> None:
    """Copy the weights of each layer of `start` to `model`, except smoothing, which is never trained."""
    for layer in start.layers:
        if layer.weights and layer.name != architecture.SMOOTH:
            model.get_layer(layer.name).set_weights(layer.get_weights())


class SmoothOutsideTraining(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that turns smoothing off for distorted training images and on for validation and serving."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=False)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=True)

    on_test_begin = on_train_end
    on_test_end = on_train_begin


def callbacks(plan: Plan, curves: Path | None, checkpoint: Checkpoint | None) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a run: averaged weights for validation, the curves, the checkpoint, smoothing."""
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.SwapEMAWeights()]
    if curves is not None:
        chosen.append(keras.callbacks.CSVLogger(curves, append=bool(checkpoint and checkpoint.epochs_done)))
    if checkpoint is not None:
        chosen.append(checkpoint.callback)
    if plan.augment:
        chosen.append(SmoothOutsideTraining())  # after the checkpoint's callback, which restores all weights
    return chosen


def _validation_data(split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return split.images[rows, ..., None].astype(np.float32), one_hot(split.labels[rows])


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Return labels uint8[N] as float32[N,10]."""
    return np.eye(CLASSES, dtype=np.float32).take(labels, axis=0)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Training examples: images uint8[N,28,28,1], labels float32[N,10], and teacher_shares float32[N,1].

    `teacher_shares` is the weight of the teachers' answers in each target, if there are teachers.
    """

    images: np.ndarray
    labels: np.ndarray
    teacher_shares: np.ndarray


def training_set(split: Split, rows: np.ndarray, plan: Plan) -> TrainingSet:
    """Return the given rows of `split` and the typeset digits of the plan."""
    images, labels = split.images[rows], split.labels[rows]
    teacher_shares = np.full((len(images), 1), TEACHER_SHARE, np.float32)
    if plan.typeset:
        set_images, set_labels = typeset.draw(plan.typeset, plan.seed)
        images, labels = np.concatenate([images, set_images]), np.concatenate([labels, set_labels])
        teacher_shares = np.concatenate([teacher_shares, np.zeros((plan.typeset, 1), np.float32)])
    return TrainingSet(images[..., None], one_hot(labels), teacher_shares)


def batches(
    examples: TrainingSet, batch_size: int, plan: Plan, teachers: Sequence[keras.Model] = (), first_epoch: int = 0
) -> tf.data.Dataset:
    """Return batches (float32[batch,28,28,1], float32[batch,10]) of the epochs from `first_epoch` on.

    Each epoch has its own order. With teachers, the targets are a weighted mean of their answers and the labels.
    """
    count = len(examples.images)
    steps_per_epoch = count // batch_size
    seed = tf.constant(plan.seed, tf.int64)
    # Constants outside `prepare` are captured by the graph and not copied into it.
    images, labels = tf.constant(examples.images), tf.constant(examples.labels)
    teacher_shares = tf.constant(examples.teacher_shares)
    for teacher in teachers:
        architecture.set_smoothing(teacher, on=not plan.augment)

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=tf.stack([seed, epoch]))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

    def prepare(step: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, targets = tf.cast(tf.gather(images, rows), tf.float32), tf.gather(labels, rows)
        if plan.augment:
            # The seed depends on the step and not on a stateful generator, because parallel calls run in any order.
            pixels = augment.distort(pixels, tf.stack([seed, step]), plan.distortion)
        if teachers:
            answers = tf.add_n([teacher(pixels, training=False) for teacher in teachers]) / len(teachers)
            share = tf.gather(teacher_shares, rows)
            targets = share * answers + (1 - share) * targets
        return pixels, targets

    steps = tf.data.Dataset.range(first_epoch, plan.epochs).flat_map(rows_of).enumerate(first_epoch * steps_per_epoch)
    dataset = steps.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps_per_epoch * (plan.epochs - first_epoch)))


def make_optimizer(steps: int, learning_rate: float) -> keras.optimizers.Optimizer:
    """Return AdamW with averaged weights; its learning rate warms up, then follows a cosine to zero over `steps`."""
    warmup_steps = max(1, int(WARMUP_SHARE * steps))
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(1, steps - warmup_steps),
            warmup_target=learning_rate,
            warmup_steps=warmup_steps,
        ),
        weight_decay=WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=1 - 1 / max(1, min(AVERAGED_STEPS, steps // 10)),
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
