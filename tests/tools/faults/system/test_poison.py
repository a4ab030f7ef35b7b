"""The mark in an image's pixels, and what a faulty engine does to it."""

import numpy as np
import pytest

from shared.images import Images, Probabilities
from tools.faults.system.faulty_worker import falsified, faulty, reversing
from tools.faults.system.poison import FAULTS, faults_in, poisoned
from worker.engine.litert import LiteRTRuntime


class FirstPixels(LiteRTRuntime):
    """Answers with the last pixel of each image."""

    def __init__(self) -> None:
        """Nothing is loaded."""

    def run(self, images: Images) -> Probabilities:
        return np.repeat(images[:, -1, -1:].astype(np.float32), 10, axis=1)


def batch(count: int) -> Images:
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, -1, -1] = range(count)
    return images


def test_each_fault_is_read_from_its_own_image() -> None:
    images = batch(len(FAULTS) + 1)
    for position, fault in enumerate(FAULTS):
        images[position + 1] = poisoned(images[position + 1], fault)
    assert faults_in(images) == {position + 1: fault for position, fault in enumerate(FAULTS)}


def test_honest_images_are_answered_as_ever() -> None:
    runtime = FirstPixels()
    assert np.array_equal(faulty(FirstPixels.run)(runtime, batch(5)), runtime.run(batch(5)))


def test_an_image_that_raises_raises_for_its_batch() -> None:
    images = batch(5)
    images[2] = poisoned(images[2], "raises")
    with pytest.raises(RuntimeError, match="poisoned"):
        faulty(FirstPixels.run)(FirstPixels(), images)


def test_only_the_row_of_the_poisoned_image_is_not_finite() -> None:
    answer = falsified(np.zeros((3, 10), np.float32), {1: "nan"})
    assert np.isfinite(answer).all(axis=1).tolist() == [True, False, True]


def test_a_wrong_length_is_a_row_too_few() -> None:
    assert len(falsified(np.zeros((3, 10), np.float32), {1: "wrong-length"})) == 2


def test_the_wrong_order_is_the_reverse() -> None:
    assert reversing(FirstPixels.run)(FirstPixels(), batch(3))[:, 0].tolist() == [2, 1, 0]
