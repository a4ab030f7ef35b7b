"""Arrays of any number type, tensors and lists, as notebooks hold them."""

import io
import sys
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from mnistified.uploads.arrays import uint8_view
from mnistified.uploads.bodies import body_of
from mnistified.uploads.images import image_file
from shared.images import Images

IMAGES: Images = np.random.default_rng(5).integers(0, 256, (4, 28, 28), np.uint8)
IMAGES[:, 0, :2] = 0, 255


class Tensor:
    """Stands for a tensor of PyTorch with a gradient: it becomes an array only after `detach` and `cpu`."""

    def __init__(self, values: np.ndarray, ready: bool = False) -> None:
        self._values, self._ready, self.shape = values, ready, values.shape

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return Tensor(self._values, ready=True)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        assert self._ready, "a gradient"
        return self._values


def decoded(image: object, any_size: bool = False) -> Images:
    return np.asarray(Image.open(io.BytesIO(image_file(image, any_size))))


def sent(images: object) -> Images:
    images_sent: Images = np.load(io.BytesIO(b"".join(body_of(images).chunks())))
    return images_sent


ONE: dict[str, Any] = {
    "float64 from 0 to 1": IMAGES[0] / 255.0,
    "float32 from 0 to 1": (IMAGES[0] / 255).astype(np.float32),
    "float32 from 0 to 255": IMAGES[0].astype(np.float32),
    "int64": IMAGES[0].astype(np.int64),
    "from -1 to 1": IMAGES[0] / 127.5 - 1,
    "normalized": (IMAGES[0] / 255 - 0.1307) / 0.3081,
    "(28, 28, 1)": IMAGES[0, :, :, None],
    "(1, 28, 28)": IMAGES[:1],
    "(784,)": IMAGES[0].ravel(),
    "a list": IMAGES[0].tolist(),
    "a tensor": Tensor(IMAGES[:1] / np.float32(255)),
    "a Pillow image": Image.fromarray(IMAGES[0]),
}


@pytest.mark.parametrize("name", ONE)
def test_an_image_is_taken_as_a_notebook_holds_it(name: str) -> None:
    assert np.abs(decoded(ONE[name]).astype(int) - IMAGES[0]).max() <= 1


MANY: dict[str, Any] = {
    "float64": IMAGES / 255.0,
    "int64": IMAGES.astype(np.int64),
    "(N, 28, 28, 1)": IMAGES[..., None] / 255.0,
    "(N, 1, 28, 28)": IMAGES[:, None],
    "(N, 784)": IMAGES.reshape(-1, 784).astype(np.float32),
    "a list of arrays": [image / 255.0 for image in IMAGES],
    "a list of lists": IMAGES.tolist(),
    "a tensor": Tensor(IMAGES[:, None] / np.float32(255)),
    "a list of tensors": [Tensor(image[None] / np.float32(255)) for image in IMAGES],
    "Fortran order": np.asfortranarray(IMAGES),
}


@pytest.mark.parametrize("name", MANY)
def test_many_images_are_taken_as_a_notebook_holds_them(name: str) -> None:
    assert np.abs(sent(MANY[name]).astype(int) - IMAGES).max() <= 1


def test_zeros_and_ones_are_black_and_white() -> None:
    for dtype in (bool, np.uint16, np.int64, float):
        assert np.array_equal(sent((IMAGES > 127).astype(dtype)), np.where(IMAGES > 127, 255, 0))


def test_a_picture_of_any_size_may_have_colours() -> None:
    picture = np.zeros((40, 50, 3), np.uint8)
    picture[..., 1] = 200
    assert set(decoded(picture, any_size=True).ravel()) == {117}
    with pytest.raises(ValueError, match=r"got shape \[40, 50, 3\]"):
        image_file(picture)


@pytest.mark.parametrize("values", [IMAGES[0] * 300.0, IMAGES[0] - 1000.0, np.full((28, 28), np.nan), IMAGES[0] * 7])
def test_a_range_that_is_not_certain_is_refused_and_named(values: np.ndarray) -> None:
    if values.dtype == np.uint8:
        values = values.astype(np.int64) * 300
    with pytest.raises(ValueError, match=r"the pixels range from .* whose meaning is not certain"):
        image_file(values)


def test_without_numpy_uint8_is_taken_and_the_rest_says_what_is_missing() -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        assert uint8_view(memoryview(bytes(784)).cast("B", (28, 28))) is not None
        with pytest.raises(ValueError, match="need NumPy, which is not installed"):
            uint8_view([[0.5]])
    assert "numpy" in sys.modules
