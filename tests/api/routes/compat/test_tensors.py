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
    assert set(images_of(np.full((1, 784), 99.6, np.float32), "x").ravel()) == {100}


@pytest.mark.parametrize("shape", [(28, 28), (3, 27, 28), (3, 28, 28, 3), (0, 28, 28), (784,), (3, 785), ()])
def test_another_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadParameter, match="x has shape"):
        images_of(np.zeros(shape, np.uint8), "x")


@pytest.mark.parametrize("value", [-1.0, 255.6, 256.0, np.nan, np.inf, 1e300])
def test_values_that_are_no_pixels_are_refused(value: float) -> None:
    with pytest.raises(BadParameter, match="outside 0 to 255"):
        images_of(np.full((1, 784), value), "x")


def test_pixels_from_0_to_1_are_refused_and_not_rounded_away() -> None:
    with pytest.raises(BadParameter, match="from 0 to 1"):
        images_of(IMAGES / 255, "x")


@pytest.mark.parametrize("empty", [0.0, 1.0])
def test_an_image_without_ink_is_no_image_from_0_to_1(empty: float) -> None:
    assert images_of(np.full((1, 784), empty), "x").max() == empty


@pytest.mark.parametrize("tensor", [np.full((1, 784), "7"), np.full((1, 784), None), np.full((1, 784), True)])
def test_what_is_no_number_is_refused(tensor: np.ndarray) -> None:
    with pytest.raises(BadParameter, match="expected numbers"):
        images_of(tensor, "x")
