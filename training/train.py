"""One training run: from a split of the dataset to a model with averaged weights."""

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
from training.data.held_out import hold_out

WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05
TEACHERS_SHARE = 0.75  # of a student's targets; the rest are the labels
WARMUP = 0.05  # share of all steps
AVERAGED_STEPS = 500  # of the weights' moving average; shorter runs average over a tenth of themselves


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does. The same plan on the same images ends in the same weights on the same machine."""

    network: str
    epochs: int
    batch_size: int
    seed: int
    augment: bool
    distortion: float = 1.0  # strength of the augmentation
    learning_rate: float = 3e-3
    hold_out: bool = True  # of all images some, to choose by; without, nothing tells how good the model is
    typeset: int = 0  # so many digits set in type, beside the dataset's


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its averaged weights in place and no optimizer; the loss and accuracies epoch by epoch."""

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
    also: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> Trained:
    """Carry out one run, or what a `checkpoint` of it has left to do.

    With `teachers` the network learns from what they say, on the average, of each distorted image: distillation after
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), at temperature 1, since labels are
    smoothed for teachers. Of digits set in type it learns the labels alone: teachers may never have seen any.
    `start` is a trained model of the same network whose weights are tuned further.
    Shows Keras's progress bar, with the accuracy on held-out training images, when `verbose`. `curves` names a CSV file
    that receives a row per epoch; `also` runs beside the training. `history` has only the epochs since the checkpoint.
    """
    keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()  # threads would otherwise add up in any order
    rows, validation = hold_out(len(split.images)) if plan.hold_out else (np.arange(len(split.images)), None)
    learnt = material(split, rows, plan)
    batch_size = min(plan.batch_size, len(learnt.images))
    steps_per_epoch = len(learnt.images) // batch_size
    model = architecture.build(plan.network)
    if start is not None:
        take_weights(model, start)
    model.compile(
        optimizer=make_optimizer(steps_per_epoch * plan.epochs, plan.learning_rate),
        # Smoothing is for labels; what a teacher says is smooth already.
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.0 if teachers else LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    epochs_done = checkpoint.epochs_done if checkpoint else 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):  # draws once a step; its place in the draws is in no checkpoint
            layer.seed_generator.state.assign_add([0, epochs_done * steps_per_epoch])
    history = model.fit(
        batches(learnt, batch_size, plan, teachers, epochs_done),
        steps_per_epoch=steps_per_epoch,
        epochs=plan.epochs,
        shuffle=False,  # `batches` has shuffled
        validation_data=None if validation is None else _validation_data(split, validation),
        validation_batch_size=500,
        callbacks=[*callbacks(plan, curves, checkpoint), *also],
        verbose="auto" if verbose else 0,
    )
    bare = architecture.build(plan.network)  # saves without the optimizer's state, twice the weights' size
    bare.set_weights(model.get_weights())
    return Trained(bare, history.history)


def take_weights(model: keras.Model, start: keras.Model) -> None:
    """Give `model` the weights of `start`, layer by layer, but for smoothing, which was never trained."""
    for layer in start.layers:
        if layer.weights and layer.name != architecture.SMOOTH:
            model.get_layer(layer.name).set_weights(layer.get_weights())


class SharpOnly(keras.callbacks.Callback):  # type: ignore[misc]
    """Has the network smooth what it is validated on, and will be served, but not what distortion has smoothed."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=False)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=True)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=False)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model, on=True)


def callbacks(plan: Plan, curves: Path | None, checkpoint: Checkpoint | None) -> list[keras.callbacks.Callback]:
    """What runs beside the training: averaged weights for each validation, the curves, the checkpoint."""
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.SwapEMAWeights()]
    if curves is not None:
        chosen.append(keras.callbacks.CSVLogger(curves, append=bool(checkpoint and checkpoint.epochs_done)))
    if checkpoint is not None:
        chosen.append(checkpoint.callback)
    if plan.augment:
        chosen.append(SharpOnly())  # after the checkpoint's, which sets all weights when a training goes on
    return chosen


def _validation_data(split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return split.images[rows, ..., None].astype(np.float32), one_hot(split.labels[rows])


def one_hot(labels: np.ndarray) -> np.ndarray:
    """uint8[N] -> float32[N,10]."""
    return np.eye(CLASSES, dtype=np.float32).take(labels, axis=0)


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from: images uint8[N,28,28,1], labels float32[N,10], and `taught` float32[N,1], the share of each
    one's target that is the teachers', where there are any.
    """

    images: np.ndarray
    labels: np.ndarray
    taught: np.ndarray


def material(split: Split, rows: np.ndarray, plan: Plan) -> Material:
    """Of `split` these rows, and the plan's digits set in type."""
    images, labels = split.images[rows], split.labels[rows]
    taught = np.full((len(images), 1), TEACHERS_SHARE, np.float32)
    if plan.typeset:
        set_images, set_labels = typeset.draw(plan.typeset, plan.seed)
        images, labels = np.concatenate([images, set_images]), np.concatenate([labels, set_labels])
        taught = np.concatenate([taught, np.zeros((plan.typeset, 1), np.float32)])
    return Material(images[..., None], one_hot(labels), taught)


def batches(
    learnt: Material,
    batch_size: int,
    plan: Plan,
    teachers: Sequence[keras.Model] = (),
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Yield (float32[batch,28,28,1], float32[batch,10]) from `first_epoch` to the plan's last, each in its own order.

    With teachers, the targets are mostly what they say.
    """
    count = len(learnt.images)
    steps_per_epoch = count // batch_size
    seed = tf.constant(plan.seed, tf.int64)
    # Captured as they are, not copied into the graph.
    images, labels, taught = tf.constant(learnt.images), tf.constant(learnt.labels), tf.constant(learnt.taught)
    for teacher in teachers:
        architecture.set_smoothing(teacher, on=not plan.augment)

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=tf.stack([seed, epoch]))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

    def prepare(step: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, targets = tf.cast(tf.gather(images, rows), tf.float32), tf.gather(labels, rows)
        if plan.augment:
            # The seed is a function of the step, not of a stateful generator: parallel calls may overtake.
            pixels = augment.distort(pixels, tf.stack([seed, step]), plan.distortion)
        if teachers:
            said = tf.add_n([teacher(pixels, training=False) for teacher in teachers]) / len(teachers)
            share = tf.gather(taught, rows)
            targets = share * said + (1 - share) * targets
        return pixels, targets

    steps = tf.data.Dataset.range(first_epoch, plan.epochs).flat_map(rows_of).enumerate(first_epoch * steps_per_epoch)
    dataset = steps.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps_per_epoch * (plan.epochs - first_epoch)))


def make_optimizer(steps: int, learning_rate: float) -> keras.optimizers.Optimizer:
    """AdamW with a short warm-up, then a cosine down to zero over `steps`, and averaged weights."""
    warmup_steps = max(1, int(WARMUP * steps))
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
