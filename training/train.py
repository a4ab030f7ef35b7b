"""One training run: from a split of the dataset to a model with averaged weights."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from shared.dataset import Split
from shared.images import CLASSES
from training import architecture, augment

VALIDATION_IMAGES = 5_000  # of MNIST's 60,000; of less, a tenth
VALIDATION_SEED = 0  # not the run's own: runs with other seeds stay comparable
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05
WARMUP = 0.05  # share of all steps
AVERAGED_STEPS = 500  # of the weights' moving average; shorter runs average over a tenth of themselves


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does. The same plan on the same split ends in the same weights on the same machine."""

    network: str
    epochs: int
    batch_size: int
    seed: int
    augment: bool


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its averaged weights in place and no optimizer; the loss and accuracies epoch by epoch."""

    model: keras.Model
    history: dict[str, list[float]]


def fit(split: Split, plan: Plan, curves: Path | None = None, verbose: bool = True) -> Trained:
    """Carry out one run.

    Shows Keras's progress bar, with the accuracy on held-out training images, when `verbose`. `curves` names
    a CSV file that receives a row per epoch.
    """
    keras.utils.set_random_seed(plan.seed)
    tf.config.experimental.enable_op_determinism()  # threads would otherwise add up in any order
    images, labels = split.images[..., None], np.eye(CLASSES, dtype=np.float32)[split.labels]
    training, validation = hold_out(len(images))
    batch_size = min(plan.batch_size, len(training))
    steps_per_epoch = len(training) // batch_size
    model = architecture.build(plan.network)
    model.compile(
        optimizer=make_optimizer(steps_per_epoch * plan.epochs),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    callbacks: list[keras.callbacks.Callback] = [keras.callbacks.SwapEMAWeights()]
    if curves is not None:
        callbacks.append(keras.callbacks.CSVLogger(curves))
    history = model.fit(
        batches(images[training], labels[training], batch_size, plan),
        steps_per_epoch=steps_per_epoch,
        epochs=plan.epochs,
        shuffle=False,  # `batches` has shuffled
        validation_data=(images[validation].astype(np.float32), labels[validation]),
        validation_batch_size=500,
        callbacks=callbacks,
        verbose="auto" if verbose else 0,
    )
    bare = architecture.build(plan.network)  # saves without the optimizer's state, twice the weights' size
    bare.set_weights(model.get_weights())
    return Trained(bare, history.history)


def hold_out(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers 0 to count-1 into (training, validation), always the same way."""
    shuffled = np.random.default_rng(VALIDATION_SEED).permutation(count)
    held_out = min(VALIDATION_IMAGES, count // 10)
    return shuffled[held_out:], shuffled[:held_out]


def batches(images: np.ndarray, labels: np.ndarray, batch_size: int, plan: Plan) -> tf.data.Dataset:
    """Yield (float32[batch,28,28,1], float32[batch,10]) for all of the plan's epochs, in another order in each."""
    steps_per_epoch = len(images) // batch_size
    seed = tf.constant(plan.seed, tf.int64)

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=tf.stack([seed, epoch]))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

    def prepare(step: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cast(tf.gather(images, rows), tf.float32)
        if plan.augment:
            # The seed is a function of the step, not of a stateful generator: parallel calls may overtake.
            pixels = augment.distort(pixels, tf.stack([seed, step]))
        return pixels, tf.gather(labels, rows)

    steps = tf.data.Dataset.range(plan.epochs).flat_map(rows_of).enumerate()
    dataset = steps.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps_per_epoch * plan.epochs))


def make_optimizer(steps: int) -> keras.optimizers.Optimizer:
    """AdamW with a short warm-up, then a cosine down to zero over `steps`, and averaged weights."""
    warmup_steps = max(1, int(WARMUP * steps))
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(1, steps - warmup_steps),
            warmup_target=LEARNING_RATE,
            warmup_steps=warmup_steps,
        ),
        weight_decay=WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=1 - 1 / max(1, min(AVERAGED_STEPS, steps // 10)),
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
