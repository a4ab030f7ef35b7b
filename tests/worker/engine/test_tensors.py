"""The numbers that a model file takes for pixels, and the probabilities that its numbers mean."""

from typing import Any

import numpy as np
import pytest

from shared.contract.model_spec import InputSpec, Normalization, Values
from worker.engine.tensors import Quantization, pixel_table, read_probabilities, write_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), np.uint8)
TORCHVISION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def spec(values: Values, layout: Any = "NHWC", channels: Any = 3) -> InputSpec:
    return InputSpec(height=5, width=4, channels=channels, values=values, layout=layout)


def written(values: Values, dtype: Any, quantization: Quantization | None = None, layout: Any = "NHWC") -> Any:
    target = np.empty((3, 5, 4, 3) if layout == "NHWC" else (3, 3, 5, 4), dtype)
    write_pixels(target, PIXELS, pixel_table(spec(values), dtype, quantization), layout)
    return target


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("0..255", PIXELS.astype(np.float32)),
        ("0..1", PIXELS.astype(np.float32) / np.float32(255)),
        ("-1..1", PIXELS.astype(np.float32) / np.float32(127.5) - np.float32(1)),
        (
            TORCHVISION,
            (PIXELS.astype(np.float32) / np.float32(255) - np.array(TORCHVISION.mean, np.float32))
            / np.array(TORCHVISION.std, np.float32),
        ),
    ],
    ids=["0..255", "0..1", "-1..1", "mean and std"],
)
def test_pixels_become_exactly_what_numpy_makes_of_them_in_both_layouts(values: Values, expected: Any) -> None:
    np.testing.assert_array_equal(written(values, np.float32), expected)
    np.testing.assert_array_equal(written(values, np.float32, layout="NCHW"), expected.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(written(values, np.float16), expected.astype(np.float16))


def test_pixels_are_quantised_as_the_file_says() -> None:
    signed = PIXELS.astype(int) - 128
    for values, scale in (("0..255", 1.0), ("0..1", 1 / 255), ("quantized", 0.5)):
        np.testing.assert_array_equal(written(values, np.int8, Quantization(scale, -128)), signed)  # type: ignore[arg-type]
    np.testing.assert_array_equal(written("quantized", np.uint8, Quantization(1 / 255, 0)), PIXELS)
    np.testing.assert_array_equal(written("0..1", np.int8, Quantization(1 / 127, 0)), np.rint(PIXELS / 255 * 127))
    clipped = written("0..255", np.int8, Quantization(0.5, -128))
    np.testing.assert_array_equal(clipped, np.minimum(2 * PIXELS.astype(int) - 128, 127))


def test_integers_without_quantisation_take_only_pixels() -> None:
    np.testing.assert_array_equal(written("0..255", np.uint8), PIXELS)
    np.testing.assert_array_equal(written("quantized", np.int8), PIXELS.astype(int) - 128)
    with pytest.raises(ValueError, match="int8 without a scale"):
        written("0..1", np.int8)
    with pytest.raises(ValueError, match="not quantized"):
        written("quantized", np.float32)


def test_grey_images_fit_inputs_with_and_without_an_axis_for_channels() -> None:
    grey = PIXELS[..., 0]
    for shape in ((3, 5, 4), (3, 5, 4, 1), (3, 1, 5, 4)):
        target = np.empty(shape, np.float32)
        write_pixels(target, grey, pixel_table(spec("0..1", channels=1), np.float32), "NHWC")
        np.testing.assert_array_equal(target.reshape(grey.shape), grey / np.float32(255))


def test_logits_become_probabilities_without_overflow() -> None:
    answers = np.array([[1000, 0, -1000], [1, 1, 1]], np.float32)
    expected = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(read_probabilities(answers, "logits"), expected, atol=1e-6)
    assert read_probabilities(answers.astype(np.float16), "logits").dtype == np.float32


def test_one_number_is_the_probability_of_the_second_label() -> None:
    for shape in ((2, 1), (2, 1, 1, 1), (2,)):
        sigmoid = np.array([0.25, 1], np.float32).reshape(shape)
        np.testing.assert_array_equal(read_probabilities(sigmoid, "sigmoid"), [[0.75, 0.25], [0, 1]])
    logits = np.array([[0], [np.log(3)]], np.float32)
    np.testing.assert_allclose(read_probabilities(logits, "logits"), [[0.5, 0.5], [0.25, 0.75]], atol=1e-6)


def test_quantised_answers_are_those_of_the_file() -> None:
    answers = np.array([[127, -128, -127]], np.int8)
    probabilities = read_probabilities(answers, "probabilities", Quantization(1 / 256, -128))
    np.testing.assert_array_equal(probabilities, np.array([[255, 0, 1]], np.float32) / 256)
    unscaled = np.array([[0.2, 0.8]], np.float32)
    assert read_probabilities(unscaled, "probabilities") is not None
    assert np.shares_memory(read_probabilities(unscaled, "probabilities"), unscaled), "no copy for MNIST"
