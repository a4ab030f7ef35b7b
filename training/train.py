"""One training run: from a split of the dataset to a model with averaged weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from shared.dataset import Split
from shared.images import CLASSES
from training import architecture, augment
from training.checkpoint import Checkpoint
from training.pool import Pool
from training.validation import hold_out

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


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its averaged weights in place and no optimizer; the loss and accuracies epoch by epoch."""

    model: keras.Model
    history: dict[str, list[float]]


def fit(
    split: Split,
    plan: Plan,
    *,
    pool: Pool | None = None,
    curves: Path | None = None,
    checkpoint: Checkpoint | None = None,
    start: keras.Model | None = None,
    also: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> Trained:
    """Carry out one run, or what a `checkpoint` of it has left to do.

    With a `pool` the network is a student: it learns from the pool's distorted images and its teachers' answers.
    `start` is a trained model of the same network whose weights are tuned further.
    Shows Keras's progress bar, with the accuracy on held-out training images, when `verbose`. `curves` names a CSV file
    that receives a row per epoch; `also` runs beside the training. `history` has only the epochs since the checkpoint.
    """
    keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()  # threads would otherwise add up in any order
    rows, validation = hold_out(len(split.images))
    batch_size = min(plan.batch_size, len(rows))
    steps_per_epoch = len(rows) // batch_size
    model = architecture.build(plan.network)
    if start is not None:
        model.set_weights(start.get_weights())
    model.compile(
        optimizer=make_optimizer(steps_per_epoch * plan.epochs, plan.learning_rate),
        # Smoothing is for labels; what a teacher says is smooth already.
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.0 if pool else LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    epochs_done = checkpoint.epochs_done if checkpoint else 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):  # draws once a step; its place in the draws is in no checkpoint
            layer.seed_generator.state.assign_add([0, epochs_done * steps_per_epoch])
    images, targets = material(split, rows, pool)
    history = model.fit(
        batches(images, targets, len(rows), batch_size, plan, epochs_done),
        steps_per_epoch=steps_per_epoch,
        epochs=plan.epochs,
        shuffle=False,  # `batches` has shuffled
        validation_data=(split.images[validation, ..., None].astype(np.float32), one_hot(split.labels[validation])),
        validation_batch_size=500,
        callbacks=[*callbacks(curves, checkpoint), *also],
        verbose="auto" if verbose else 0,
    )
    bare = architecture.build(plan.network)  # saves without the optimizer's state, twice the weights' size
    bare.set_weights(model.get_weights())
    return Trained(bare, history.history)


def callbacks(curves: Path | None, checkpoint: Checkpoint | None) -> list[keras.callbacks.Callback]:
    """What runs beside the training: averaged weights for each validation, the curves, the checkpoint."""
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.SwapEMAWeights()]
    if curves is not None:
        chosen.append(keras.callbacks.CSVLogger(curves, append=bool(checkpoint and checkpoint.epochs_done)))
    if checkpoint is not None:
        chosen.append(checkpoint.callback)
    return chosen


def material(split: Split, rows: np.ndarray, pool: Pool | None) -> tuple[np.ndarray, np.ndarray]:
    """What to learn: uint8[K,28,28,1] and float32[K,10], the training images, or the copies of the pool one after
    another."""
    labels = one_hot(split.labels[rows])
    if pool is None:
        return split.images[rows, ..., None], labels
    targets = TEACHERS_SHARE * pool.answers + (1 - TEACHERS_SHARE) * labels
    return pool.images.reshape(-1, *pool.images.shape[2:], 1), targets.reshape(-1, CLASSES)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """uint8[N] -> float32[N,10]."""
    return np.eye(CLASSES, dtype=np.float32).take(labels, axis=0)


def batches(
    images: np.ndarray, targets: np.ndarray, epoch_images: int, batch_size: int, plan: Plan, first_epoch: int = 0
) -> tf.data.Dataset:
    """Yield (float32[batch,28,28,1], float32[batch,10]) from `first_epoch` to the plan's last, each in its own order.

    Every epoch passes over the next `epoch_images` of the images, and begins anew after the last of them.
    """
    steps_per_epoch = epoch_images // batch_size
    copies = len(images) // epoch_images
    seed = tf.constant(plan.seed, tf.int64)
    images, targets = tf.constant(images), tf.constant(targets)  # captured as they are, not copied into the graph

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(epoch_images), seed=tf.stack([seed, epoch]))
        order += tf.cast(epoch % copies, tf.int32) * epoch_images
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

    def prepare(step: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cast(tf.gather(images, rows), tf.float32)
        if plan.augment and copies == 1:
            # The seed is a function of the step, not of a stateful generator: parallel calls may overtake.
            pixels = augment.distort(pixels, tf.stack([seed, step]), plan.distortion)
        return pixels, tf.gather(targets, rows)

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
