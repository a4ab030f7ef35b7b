from typing import Literal

import numpy as np
import pytest

from benchmarks.system.engine import engine_alone
from shared.data import sample
from shared.data.dataset import Split


def test_every_digit_is_drawn_equally_often_for_training() -> None:
    images, labels = sample.draw("train")
    assert (images.shape, images.dtype.name) == ((400, 28, 28), "uint8")
    assert labels.tolist() == list(range(10)) * 40


def test_the_labels_are_those_of_the_first_images_of_mnist(mnist: Split) -> None:
    assert np.array_equal(sample.draw("test")[1], mnist.labels[:200])


def test_image_42_is_a_4_with_and_without_mnist() -> None:
    images, labels = sample.draw("test")
    assert (images.shape, images.dtype.name) == ((200, 28, 28), "uint8")
    assert (labels.dtype.name, labels[42], labels[17]) == ("uint8", 4, 7)


@pytest.mark.parametrize("which", ["train", "test"])
def test_the_default_model_reads_every_digit(which: Literal["train", "test"]) -> None:
    images, labels = sample.draw(which)
    probabilities = engine_alone()[0].predict(images).probabilities
    assert probabilities.argmax(1).tolist() == labels.tolist()
    assert probabilities.max(1).min() > 0.8


def test_the_same_pixels_are_drawn_every_time() -> None:
    first = sample.draw("test")[0]
    sample.draw.cache_clear()
    again = sample.draw("test")[0]
    assert np.array_equal(first, again)
    images, labels = sample.draw("test", 7)
    assert np.array_equal(images, first[:7])
    assert labels.tolist() == sample.draw("test")[1][:7].tolist()


def test_no_two_images_of_both_splits_are_alike() -> None:
    everything = np.concatenate([sample.draw("train")[0], sample.draw("test")[0]])
    assert len(np.unique(everything, axis=0)) == len(everything)


def test_digits_are_white_on_black_and_clear_of_the_border() -> None:
    images, _ = sample.draw("test")
    assert (images.max(axis=(1, 2)) > 200).all()
    assert (np.median(images, axis=(1, 2)) == 0).all()
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert border.max() == 0
