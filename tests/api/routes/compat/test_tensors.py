import numpy as np
import pytest

from api.routes.compat.tensors import images_of
from shared.errors import BadParameter

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 28, 28, 1), (3, 784)])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64", "float32", "float64"])
def test_every_shape_and_number_type_gives_the_same_images(shape: tuple[int, ...], dtype: str) -> None:
    images = images_of(IMAGES.reshape(shape).astype(dtype), "x")
    assert images.dtype == np.uint8
    assert np.array_equal(images, IMAGES)


def test_fractions_are_rounded() -> None:
    pixels = np.zeros((1, 784), np.float32)
    pixels[0, :300] = 99.6
    assert set(images_of(pixels, "x").ravel()) == {0, 100}


@pytest.mark.parametrize("shape", [(28, 28), (3, 27, 28), (3, 28, 28, 3), (0, 28, 28), (784,), (3, 785), ()])
def test_another_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadParameter, match="x has shape"):
        images_of(np.zeros(shape, np.uint8), "x")


@pytest.mark.parametrize("value", [-1000.0, 70_000.0, np.nan, np.inf, 1e300])
def test_values_that_are_no_pixels_are_refused(value: float) -> None:
    with pytest.raises(BadParameter, match=r"x: (the values range from|the image has pixels that are)"):
        images_of(np.where(IMAGES > 99, value, 0), "x")


@pytest.mark.parametrize("scaled", [IMAGES / 255, IMAGES / np.float32(255), (IMAGES - 127.5) / 127.5])
def test_pixels_from_0_to_1_and_around_0_are_recognized(scaled: np.ndarray) -> None:
    assert np.abs(images_of(scaled, "x").astype(int) - IMAGES).max() <= 1


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float64"])
def test_the_integers_0_and_1_are_black_and_white(dtype: str) -> None:
    assert np.array_equal(images_of((IMAGES > 127).astype(dtype), "x"), np.where(IMAGES > 127, 255, 0))


@pytest.mark.parametrize("value", [0, 1, 255.6, 256])
def test_an_image_without_contrast_is_refused_by_its_position(value: float) -> None:
    images = IMAGES.astype(float)
    images[1] = value
    with pytest.raises(BadParameter, match="image 1 of x has no contrast"):
        images_of(images, "x")
    with pytest.raises(BadParameter, match="image 0 of x has no contrast"):
        images_of(np.full((1, 784), value), "x")


@pytest.mark.parametrize("tensor", [np.full((1, 784), "7"), np.full((1, 784), None), np.full((1, 784), True)])
def test_what_is_no_number_is_refused(tensor: np.ndarray) -> None:
    with pytest.raises(BadParameter, match="expected numbers"):
        images_of(tensor, "x")
