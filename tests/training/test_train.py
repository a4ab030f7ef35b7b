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


def test_the_same_seed_gives_the_same_weights(trained: Trained, repeated: tuple[Trained, list[str], Path]) -> None:
    again, _, _ = repeated
    assert again.history == trained.history
    pairs = zip(again.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.usefixtures("trained", "eagerly")
def test_another_seed_gives_other_losses(trained: Trained, handful: Split, plan: Plan) -> None:
    from training.train import fit

    other = fit(handful, replace(plan, epochs=1, seed=plan.seed + 1), verbose=False)
    assert other.history["loss"][0] != trained.history["loss"][0]


def test_a_resumed_run_ends_with_the_same_weights(
    trained: Trained, repeated: tuple[Trained, list[str], Path], handful: Split, plan: Plan
) -> None:
    from training.loop.checkpoint import open_checkpoint
    from training.train import fit

    checkpoint = open_checkpoint(repeated[2], {}, resume=True)
    assert checkpoint.epochs_done == 3
    rest = fit(handful, plan, checkpoint=checkpoint, verbose=False)
    assert len(rest.history["loss"]) == plan.epochs - 3
    pairs = zip(rest.model.get_weights(), trained.model.get_weights(), strict=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


@pytest.mark.usefixtures("trained", "eagerly")
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
            self.in_training = kernel_of(self.model.network)

        def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
            self.in_validation = kernel_of(self.model.network)

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
    import keras

    from training import architecture
    from training.loop.examples import one_hot
    from training.loop.learner import Learner

    teachers = [trained.model, architecture.build("cnn-small")]
    student = architecture.build("cnn-small")
    learner = Learner(student, teachers, distortion=1.0, seed=3)
    learner.compile(loss=keras.losses.CategoricalCrossentropy())
    seen: list[np.ndarray] = []

    def uniform(pixels: object, **_: object) -> np.ndarray:
        seen.append(np.asarray(pixels))
        return np.full((100, 10), 0.1, np.float32)

    student.call = uniform
    inputs = (handful.images[..., None], np.full((100, 1), 0.75, np.float32))
    labels = one_hot(handful.labels)
    answer = learner(inputs, training=True)
    loss = learner.compute_loss(inputs, labels, answer, training=True)
    assert not np.allclose(seen[0], inputs[0], atol=10), "the images are distorted"
    assert float(loss) == pytest.approx(np.log(10), abs=1e-5), "targets are probabilities"
    asked = np.mean([teacher(seen[0]) for teacher in teachers], axis=0)
    one_answer = np.full((100, 10), 1e-3, np.float32)
    one_answer[:, 4] = 0.991
    expected = 0.75 * asked + 0.25 * labels
    loss = learner.compute_loss(inputs, labels, one_answer, training=True)
    assert float(loss) == pytest.approx(float(-(expected * np.log(one_answer)).sum(axis=1).mean()), abs=1e-4)


@pytest.mark.long
def test_a_student_is_trained_by_teachers_that_stay_as_they_are(trained: Trained, handful: Split, plan: Plan) -> None:
    from training import architecture, train

    before = trained.model.get_weights()
    student = train.fit(handful, replace(plan, network="cnn-small"), teachers=[trained.model], verbose=False)
    architecture.set_smoothing(trained.model, on=True)  # other tests use the model
    assert student.history["loss"][-1] < student.history["loss"][0]
    assert student.model.name == "cnn-small"
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.model.get_weights(), strict=True))


def test_teachers_do_not_change_the_targets_of_typeset_digits(trained: Trained, handful: Split, plan: Plan) -> None:
    from training import train

    examples = train.training_set(handful, np.arange(50), replace(plan, typeset=30), teachers=[trained.model])
    assert examples.teacher_shares.ravel().tolist() == [train.TEACHER_SHARE] * 50 + [0.0] * 30


@pytest.mark.long
def test_pictures_of_no_digit_train_an_output_of_their_own(trained: Trained, handful: Split, plan: Plan) -> None:
    from training import train
    from training.data.pictures import NONE, Pictures

    rings = np.zeros((60, 28, 28), np.uint8)
    rings[:, 4:24, 4:24] = np.arange(0, 200, 10, dtype=np.uint8)
    pictures = Pictures(rings, np.full(60, NONE, np.uint8), "")
    knowing = train.fit(
        handful, replace(plan, none_label=True, label_smoothing=0.0), pictures=[pictures], verbose=False
    )
    answers = np.asarray(knowing.model(rings[:1, ..., None].astype(np.float32)))
    assert answers.shape == (1, 11)
    assert answers.argmax() == NONE


def test_only_a_teacher_that_knows_none_of_the_labels_is_asked_about_pictures(
    trained: Trained, handful: Split, plan: Plan
) -> None:
    from training import architecture, train
    from training.data.pictures import NONE, Pictures

    pictures = Pictures(np.zeros((60, 28, 28), np.uint8), np.full(60, NONE, np.uint8), "")
    knowing = architecture.build(plan.network, none_label=True)
    examples = train.training_set(handful, np.arange(9), replace(plan, none_label=True), [pictures], [trained.model])
    assert set(examples.teacher_shares[9:, 0]) == {0.0}, "a teacher that only knows digits is not asked about rings"
    examples = train.training_set(handful, np.arange(9), replace(plan, none_label=True), [pictures], [knowing])
    assert set(examples.teacher_shares[:, 0]) == {np.float32(train.TEACHER_SHARE)}
