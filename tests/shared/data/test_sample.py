from typing import Literal

import numpy as np
import pytest

from shared.data import sample


@pytest.mark.parametrize(("which", "each"), [("train", 40), ("test", 20)])
def test_every_digit_is_drawn_equally_often(which: Literal["train", "test"], each: int) -> None:
    images, labels = sample.draw(which)
    assert (images.shape, images.dtype.name) == ((10 * each, 28, 28), "uint8")
    assert (labels.shape, labels.dtype.name) == ((10 * each,), "uint8")
    assert np.bincount(labels).tolist() == [each] * 10


def test_the_same_pixels_are_drawn_every_time() -> None:
    first, again = sample.draw("test")[0], sample.draw("test")[0]
    assert np.array_equal(first, again)


def test_no_two_images_of_both_splits_are_alike() -> None:
    everything = np.concatenate([sample.draw("train")[0], sample.draw("test")[0]])
    assert len(np.unique(everything, axis=0)) == len(everything)


def test_digits_are_white_on_black_and_clear_of_the_border() -> None:
    images, _ = sample.draw("test")
    assert (images.max(axis=(1, 2)) > 200).all()
    assert (np.median(images, axis=(1, 2)) == 0).all()
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert border.max() == 0
