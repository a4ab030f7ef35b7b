from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.data.dataset import Split

if TYPE_CHECKING:
    from training.train import Plan, Trained

pytestmark = pytest.mark.slow


def test_the_loss_falls(trained: Trained) -> None:
    history = trained.history
    assert history["loss"][-1] < history["loss"][0] * 0.8
    assert history["accuracy"][-1] > history["accuracy"][0]
    assert len(history["val_accuracy"]) == 8


def test_the_same_seed_gives_the_same_weights(trained: Trained, repeated: tuple[Trained, list[str]]) -> None:
    again, _ = repeated
    assert again.history == trained.history
    pairs = zip(again.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_another_seed_gives_other_losses(trained: Trained, handful: Split, plan: Plan) -> None:
    from training.train import fit

    other = fit(handful, replace(plan, epochs=1, seed=plan.seed + 1), verbose=False)
    assert other.history["loss"][0] != trained.history["loss"][0]


def test_a_resumed_run_ends_with_the_same_weights(trained: Trained, handful: Split, plan: Plan, tmp_path: Path) -> None:
    import keras

    from training.checkpoint import open_checkpoint
    from training.train import fit

    class PowerCut(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    first = open_checkpoint(tmp_path, {}, resume=False)
    with pytest.raises(KeyboardInterrupt):
        fit(handful, plan, checkpoint=first, verbose=False, extra_callbacks=[PowerCut()])
    second = open_checkpoint(tmp_path, {}, resume=True)
    assert second.epochs_done == 3
    rest = fit(handful, plan, checkpoint=second, verbose=False)
    assert len(rest.history["loss"]) == plan.epochs - 3
    pairs = zip(rest.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_smoothing_is_off_in_training_and_on_in_validation_and_serving(
    trained: Trained, handful: Split, plan: Plan
) -> None:
    import keras

    from training import architecture
    from training.train import fit

    def kernel_of(model: keras.Model) -> np.ndarray:
        return np.asarray(model.get_layer("smooth").kernel)

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            self.in_training = kernel_of(self.model)

        def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
            self.in_validation = kernel_of(self.model)

    on, off = architecture.build(plan.network), architecture.build(plan.network)
    architecture.set_smoothing(off, on=False)
    watch = Watch()
    gentle = replace(plan, epochs=1, distortion=0.5, learning_rate=1e-4)
    tuned = fit(handful, gentle, start=trained.model, extra_callbacks=[watch], verbose=False)
    assert np.array_equal(watch.in_training, kernel_of(off))
    assert np.array_equal(watch.in_validation, kernel_of(on))
    assert np.array_equal(kernel_of(tuned.model), kernel_of(on))
    assert tuned.history["loss"][0] < trained.history["loss"][3], "fine-tuning starts from the given weights"
    assert not np.array_equal(tuned.model.trainable_weights[0], trained.model.trainable_weights[0])
    undistorted = replace(plan, epochs=1, augment=False, hold_out=False)
    everything = fit(handful, undistorted, extra_callbacks=[watch], verbose=False)
    assert np.array_equal(watch.in_training, kernel_of(on))
    assert np.array_equal(kernel_of(everything.model), kernel_of(on))
    assert set(everything.history) == {"loss", "accuracy"}, "without held-out images there is no validation"


def test_a_student_learns_the_answers_of_its_teachers_to_the_distorted_images(
    trained: Trained, handful: Split, plan: Plan
) -> None:
    from training import architecture, train

    teachers = [trained.model, architecture.build("cnn-small")]
    examples = train.training_set(handful, np.arange(100), plan)
    pixels, targets = next(iter(train.batches(examples, 100, plan, teachers)))
    answers = np.mean([teacher(pixels) for teacher in teachers], axis=0)
    labels = targets - train.TEACHER_SHARE * answers
    assert np.allclose(np.max(labels, axis=1), 1 - train.TEACHER_SHARE, atol=1e-5)
    architecture.set_smoothing(trained.model, on=True)  # other tests use the model

    student = train.fit(handful, replace(plan, network="cnn-small"), teachers=teachers, verbose=False)
    architecture.set_smoothing(trained.model, on=True)
    assert student.history["loss"][-1] < student.history["loss"][0]
    assert student.model.name == "cnn-small"


def test_teachers_do_not_change_the_targets_of_typeset_digits(trained: Trained, handful: Split, plan: Plan) -> None:
    from training import architecture, train

    examples = train.training_set(handful, np.arange(50), replace(plan, typeset=30))
    _, targets = next(iter(train.batches(examples, 80, plan, [trained.model])))
    architecture.set_smoothing(trained.model, on=True)  # other tests use the model
    hard = np.sort(targets, axis=1)[:, -1] == 1
    assert hard.sum() == 30
    assert sorted(np.argmax(targets[hard], axis=1)) == sorted(np.arange(30) % 10)
