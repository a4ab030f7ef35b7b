"""A network in training: distorts the images and asks the teachers within the compiled step, on any backend."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from training.data import augment

Tensor = Any  # a tensor of the backend


class Learner(keras.Model):  # type: ignore[misc]
    """Wraps a network for `fit`: takes images uint8[N,28,28,1] and teacher shares float32[N,1] as a pair.

    In training, the images are distorted by `distortion`, 0 for not at all, and the target of each image is a mean of
    its label and of the teachers' answers, in which the teachers have the image's share. In validation neither happens.
    """

    def __init__(
        self, network: keras.Model, teachers: Sequence[keras.Model], distortion: float, seed: int, steps_done: int = 0
    ) -> None:
        super().__init__()
        self.network = network
        self.teachers = list(teachers)
        for teacher in self.teachers:
            teacher.trainable = False
        self.distortion = distortion
        self.seeds = keras.random.SeedGenerator(seed)
        if distortion:
            advance(self.seeds, augment.DRAWS * steps_done)
        self._teachers_answer: Tensor = None  # to the images of this step
        self.built = True  # its networks are

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        pixels = ops.cast(inputs[0], "float32")
        if training and self.distortion:
            pixels = augment.distort(pixels, self.seeds, self.distortion)
        if training and self.teachers:
            answers = [
                _padded(teacher(pixels, training=False), self.network.output.shape[-1]) for teacher in self.teachers
            ]
            self._teachers_answer = sum(answers[1:], answers[0]) / len(answers)
        return self.network(pixels, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        if training and self.teachers:
            share = x[1]
            y = share * self._teachers_answer + (1 - share) * y
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def advance(seeds: keras.random.SeedGenerator, draws: int) -> None:
    """Move a generator on as if `draws` had been made: checkpoints lack the random state."""
    seeds.state.assign(seeds.state + ops.cast([0, draws], seeds.state.dtype))


def _padded(answer: Tensor, outputs: int) -> Tensor:
    """Give the answer of a teacher that only knows the labels a last column for none of them."""
    return ops.pad(answer, ((0, 0), (0, outputs - answer.shape[-1])))
