import numpy as np
import pytest

from shared.data import sample
from training.qa import robustness

IMAGES = sample.draw("test", 20)[0]
SETS = robustness.make_sets(IMAGES)


def test_the_sets_are_reproducible_and_do_not_change_the_images() -> None:
    again = robustness.make_sets(IMAGES.copy())
    assert SETS.keys() == again.keys() == robustness.DESCRIPTIONS.keys()
    for name, images in SETS.items():
        assert (images.shape, images.dtype.name) == ((20, 28, 28), "uint8"), name
        assert np.array_equal(images, again[name]), name
        assert not np.array_equal(images, IMAGES), name
    assert np.array_equal(IMAGES, sample.draw("test", 20)[0])


def test_noise_has_the_stated_standard_deviation() -> None:
    grey = np.full((200, 28, 28), 128, np.uint8)
    noise = robustness.add_noise(grey, np.random.default_rng(1)).astype(float)
    assert noise.mean() == pytest.approx(128, abs=0.5)
    assert noise.std() == pytest.approx(robustness.NOISE_SD, rel=0.02)


def test_a_shift_moves_the_image_and_fills_with_0() -> None:
    dot = np.zeros((500, 28, 28), np.uint8)
    dot[:, 0, 27] = 200
    shifted = robustness.shift(dot, np.random.default_rng(1))
    places = {tuple(place) for place in np.argwhere(shifted)[:, 1:]}
    assert places == {(row, column) for row in range(4) for column in range(24, 28)}
    assert set(shifted.sum(axis=(1, 2))) == {0, 200}  # pixels leave the image and never wrap around


def test_a_blur_has_the_stated_width_and_keeps_the_sum() -> None:
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 14, 10] = 255
    blurred = robustness.blur(dot)[0] / 255
    assert blurred[14, 10] == pytest.approx(1 / (2 * np.pi), abs=0.005)  # the normal density's height, σ = 1
    assert blurred[14, 12] == pytest.approx(blurred[16, 10])
    assert blurred.sum() == pytest.approx(1, abs=0.05)


def test_rotations_are_about_the_centre_and_within_their_bounds() -> None:
    needle = np.zeros((300, 28, 28), np.uint8)
    needle[:, 2:14, 13:15] = 255
    rotated = robustness.rotate(needle, np.random.default_rng(1))
    tips = (rotated[:, 3] * np.arange(28)).sum(axis=1) / rotated[:, 3].sum(axis=1) - 13.5
    angles_deg = np.degrees(np.arctan(tips / 10.5))
    assert np.abs(angles_deg).max() < robustness.MAX_ROTATION_DEG + 2
    assert angles_deg.min() < -15
    assert angles_deg.max() > 15


def test_faded_and_inverted_images_are_computed_per_pixel() -> None:
    assert np.array_equal(SETS["faded"], np.rint(IMAGES * 0.6))
    assert np.array_equal(SETS["inverted"], 255 - IMAGES)
