"""The gate draws its own images without a digit, always the same."""

import numpy as np

from training.qa import not_digits


def test_the_images_are_the_same_each_time_and_all_different() -> None:
    images = not_digits.draw()
    assert (images.shape[1:], images.dtype.name) == ((28, 28), "uint8")
    assert np.array_equal(images, not_digits.draw())
    assert len({image.tobytes() for image in images}) > len(images) - 3


def test_letters_fill_the_box_that_digits_fill() -> None:
    letters = not_digits.draw()[:20]
    for image in letters:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) in (18, 19)


def test_letters_that_look_like_digits_are_left_out() -> None:
    assert set("OIlSZ") <= set(not_digits.LIKE_DIGITS)
