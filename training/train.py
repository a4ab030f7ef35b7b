"""A training run: from a split of the dataset to a model with averaged weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from shared.data.dataset import Split
from shared.shapes import CLASSES
from training import architecture
from training.data import typeset
from training.data.pictures import Pictures
from training.data.splits import hold_out
from training.loop.checkpoint import Checkpoint
from training.loop.examples import Batches, Inputs, TrainingSet, one_hot
from training.loop.learner import Learner, advance
from training.loop.timed import TimedSchedule

WEIGHT_DECAY = 0.02
TEACHER_SHARE = 0.75  # weight of the teachers' answers in a student's targets; the labels have the rest
WARMUP_SHARE = 0.05  # share of all steps
MAX_EPOCHS = 10_000  # limit for a run of limited seconds
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
    label_smoothing: float = 0.05  # without teachers, whose answers are smooth already
    none_label: bool = False  # one more output, for what is none of the labels
    seconds: float = 0.0  # duration that replaces `epochs`, for the training and its schedule


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a run: a model with averaged weights and no optimizer, and loss and accuracies per epoch."""

    model: keras.Model
    history: dict[str, list[float]]


def fit(
    split: Split,
    plan: Plan,
    *,
    pictures: Sequence[Pictures] = (),
    teachers: Sequence[keras.Model] = (),
    curves: Path | None = None,
    checkpoint: Checkpoint | None = None,
    start: keras.Model | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> Trained:
    """Train a network, or resume its training from `checkpoint`.

    `teachers` are distilled (Hinton, Vinyals and Dean, 2015): the network learns their average answer to each distorted
    image. The temperature is 1 because teachers are trained with label smoothing.

    `pictures` are added to the dataset. `start` is a trained model of the same network to fine-tune. `curves` is a CSV
    file that gets a row per epoch. `verbose` shows Keras's progress bar. The returned history has only the epochs since
    the checkpoint.
    """
    _make_deterministic(plan.seed)
    rows, validation = hold_out(len(split.images)) if plan.hold_out else (np.arange(len(split.images)), None)
    examples = training_set(split, rows, plan, pictures, teachers)
    network = architecture.build(plan.network, plan.none_label)
    if start is not None:
        copy_weights(network, start)
    epochs_done = checkpoint.epochs_done if checkpoint else 0
    batches = Batches(examples, min(plan.batch_size, len(examples.images)), plan.seed, epochs_done)
    learner = _make_learner(network, teachers, plan, len(batches), epochs_done)
    history = learner.fit(
        batches,
        epochs=MAX_EPOCHS if plan.seconds else plan.epochs,
        shuffle=False,  # `Batches` shuffles
        validation_data=None if validation is None else _validation_data(split, validation, plan),
        validation_batch_size=500,
        callbacks=[*callbacks(plan, curves, checkpoint), *extra_callbacks],
        verbose="auto" if verbose else 0,
    )
    return Trained(_without_optimizer(network, plan), history.history)


def _without_optimizer(network: keras.Model, plan: Plan) -> keras.Model:
    """Return a fresh model: the state of the optimizer would make the saved file three times as large."""
    model = architecture.build(plan.network, plan.none_label)
    model.set_weights(network.get_weights())
    return model


def _make_learner(
    network: keras.Model, teachers: Sequence[keras.Model], plan: Plan, steps_per_epoch: int, epochs_done: int
) -> Learner:
    """Return the compiled learner, whose random generators continue after the steps that are done."""
    for teacher in teachers:
        architecture.set_smoothing(teacher, on=not plan.augment)
    steps_done = epochs_done * steps_per_epoch
    learner = Learner(network, teachers, plan.distortion if plan.augment else 0.0, plan.seed, steps_done)
    learner.compile(
        optimizer=make_optimizer(steps_per_epoch * plan.epochs, plan),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.0 if teachers else plan.label_smoothing),
        metrics=["accuracy"],
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):  # draws once per step
            advance(layer.seed_generator, steps_done)
    return learner


def _make_deterministic(seed: int) -> None:
    """Stop TensorFlow's threads from adding numbers in any order. JAX needs nothing of the kind on a CPU."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def copy_weights(model: keras.Model, start: keras.Model) -> None:
    """Copy the weights of each layer of `start` to `model`, except smoothing, which is never trained.

    If only `model` has an output for none of the labels, its weights stay, and its other outputs get those of `start`.
    """
    for layer in start.layers:
        if layer.weights and layer.name != architecture.SMOOTH:
            own = model.get_layer(layer.name).get_weights()
            given = layer.get_weights()
            merged = [np.concatenate([b, a[..., b.shape[-1] :]], axis=-1) for a, b in zip(own, given, strict=True)]
            model.get_layer(layer.name).set_weights(merged)


class SmoothOutsideTraining(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that turns smoothing off for distorted training images and on for validation and serving."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model.network, on=False)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        architecture.set_smoothing(self.model.network, on=True)

    on_test_begin = on_train_end
    on_test_end = on_train_begin


def callbacks(plan: Plan, curves: Path | None, checkpoint: Checkpoint | None) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a run: averaged weights for validation, the curves, the checkpoint, smoothing."""
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.SwapEMAWeights()]
    if curves is not None:
        chosen.append(keras.callbacks.CSVLogger(curves, append=bool(checkpoint and checkpoint.epochs_done)))
    if checkpoint is not None:
        chosen.append(checkpoint.callback)
    if plan.seconds:
        chosen.append(TimedSchedule(plan.seconds, plan.learning_rate))
    if plan.augment:
        chosen.append(SmoothOutsideTraining())  # after the checkpoint's callback, which restores all weights
    return chosen


def _validation_data(split: Split, rows: np.ndarray, plan: Plan) -> tuple[Inputs, np.ndarray]:
    shares = np.zeros((len(rows), 1), np.float32)
    return (split.images[rows, ..., None], shares), one_hot(split.labels[rows], CLASSES + plan.none_label)


def training_set(
    split: Split,
    rows: np.ndarray,
    plan: Plan,
    pictures: Sequence[Pictures] = (),
    teachers: Sequence[keras.Model] = (),
) -> TrainingSet:
    """Return the given rows of `split`, the typeset digits of the plan, and the pictures.

    For typeset digits and for `pictures`, only the labels count if the teachers do not know what is none of the labels:
    they may not know typefaces either.
    """
    outputs = CLASSES + plan.none_label
    parts = [(split.images[rows], split.labels[rows], TEACHER_SHARE)]
    if plan.typeset:
        parts.append((*typeset.draw(plan.typeset, plan.seed), 0.0))
    knowing = bool(teachers) and all(teacher.output.shape[-1] == outputs > CLASSES for teacher in teachers)
    parts += [(each.images, each.labels, TEACHER_SHARE if knowing else 0.0) for each in pictures]
    return TrainingSet(
        np.concatenate([images for images, _, _ in parts])[..., None],
        one_hot(np.concatenate([labels for _, labels, _ in parts]), outputs),
        np.concatenate([np.full((len(labels), 1), share, np.float32) for _, labels, share in parts]),
    )


def make_optimizer(steps: int, plan: Plan) -> keras.optimizers.Optimizer:
    """Return AdamW with averaged weights; its learning rate warms up, then follows a cosine to zero over `steps`.

    In a run of limited seconds, a callback sets the learning rate.
    """
    warmup_steps = max(1, int(WARMUP_SHARE * steps))
    cosine = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup_steps),
        warmup_target=plan.learning_rate,
        warmup_steps=warmup_steps,
    )
    averaged_steps = AVERAGED_STEPS if plan.seconds else max(1, min(AVERAGED_STEPS, steps // 10))
    optimizer = keras.optimizers.AdamW(
        plan.learning_rate if plan.seconds else cosine,
        weight_decay=WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=1 - 1 / averaged_steps,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
