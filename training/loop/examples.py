"""Training examples, and the batches of an epoch."""

from dataclasses import dataclass

import keras
import numpy as np

from shared.shapes import CLASSES

Inputs = tuple[np.ndarray, np.ndarray]  # images uint8[N,28,28,1], and teacher shares float32[N,1]


def one_hot(labels: np.ndarray, outputs: int = CLASSES) -> np.ndarray:
    """Return labels uint8[N] as float32[N,outputs]."""
    return np.eye(outputs, dtype=np.float32).take(labels, axis=0)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Training examples: images uint8[N,28,28,1], labels float32[N,outputs], and teacher_shares float32[N,1].

    `teacher_shares` is the weight of the teachers' answers in each target, if there are teachers.
    """

    images: np.ndarray
    labels: np.ndarray
    teacher_shares: np.ndarray


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch, ((images, teacher shares), labels). Each epoch has its own order."""

    def __init__(self, examples: TrainingSet, batch_size: int, seed: int, first_epoch: int = 0) -> None:
        super().__init__()
        self._examples, self._batch_size, self._seed = examples, batch_size, seed
        self._begin_epoch(first_epoch)

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self._examples.images))

    def on_epoch_end(self) -> None:
        self._begin_epoch(self._epoch + 1)

    def __len__(self) -> int:
        return len(self._order) // self._batch_size

    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        rows = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        examples = self._examples
        return (examples.images[rows], examples.teacher_shares[rows]), examples.labels[rows]
