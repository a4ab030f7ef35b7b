import numpy as np
import numpy.typing as npt
import pytest

from shared.data.dataset import Split

pytestmark = pytest.mark.slow


def distort(split: Split, seed: int) -> npt.NDArray[np.float32]:
    import keras

    from training.data import augment

    pixels = split.images[..., None].astype(np.float32)
    distorted: npt.NDArray[np.float32] = np.asarray(augment.distort(pixels, keras.random.SeedGenerator(seed)))
    return distorted


def test_the_same_seed_distorts_the_same_way_and_another_does_not(handful: Split) -> None:
    assert np.array_equal(distort(handful, 1), distort(handful, 1))
    assert not np.array_equal(distort(handful, 1), distort(handful, 2))


def test_every_image_is_distorted_in_its_own_way(handful: Split) -> None:
    same = Split("sample", np.repeat(handful.images[:1], 50, axis=0), handful.labels[:50])
    assert len(np.unique(distort(same, 0), axis=0)) == 50


def test_distortion_keeps_shape_and_range(handful: Split) -> None:
    distorted = distort(handful, 0)
    assert distorted.shape == (100, 28, 28, 1)
    assert distorted.min() >= 0
    assert distorted.max() <= 255


def test_digits_stay_about_the_middle_and_about_as_large() -> None:
    square = np.zeros((400, 28, 28), np.uint8)
    square[:, 9:19, 9:19] = 255
    distorted = distort(Split("sample", square, np.zeros(400, np.uint8)), 3)[..., 0] / 255
    areas = distorted.sum(axis=(1, 2))
    places = np.arange(28)
    centres = np.stack([distorted.sum(axis=axis) @ places / areas for axis in (1, 2)])
    # 100 px, scaled by 0.83 to 1.17 along each axis, shifted by at most 2.2 px, and sheared, rotated and bent
    assert areas.min() > 100 * 0.83**2 * 0.75
    assert areas.max() < 100 * 1.17**2 * 1.25
    assert np.median(areas) == pytest.approx(100, abs=10)
    assert np.abs(centres - 13.5).max() < 2.2 * 1.5 + 1
    assert np.abs(centres.mean(axis=1) - 13.5).max() < 0.3


def test_a_straight_line_is_bent() -> None:
    line = np.zeros((50, 28, 28), np.uint8)
    line[:, 4:24, 13:15] = 255
    distorted = distort(Split("sample", line, np.zeros(50, np.uint8)), 1)[:, 8:20, :, 0]
    middles = distorted @ np.arange(28) / distorted.sum(axis=2)  # float32[50,12]: x of the line in each row
    assert np.abs(np.diff(middles, n=2, axis=1)).mean(axis=1).min() > 0.005  # 0 for an affine distortion


def test_strength_0_changes_nothing(handful: Split) -> None:
    import keras

    from training.data import augment

    pixels = handful.images[..., None].astype(np.float32)
    assert np.allclose(augment.distort(pixels, keras.random.SeedGenerator(1), 0.0), pixels, atol=1e-2)
