"""Counts against what can be worked out by hand, image by image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.drift_histograms import BINS, INK_EDGES, OFFSET_EDGES, bins_of, histograms, shares
from shared.images import Images, Probabilities
from tests.support.thoroughness import examples


def dot(row: int, column: int, value: int = 255) -> np.ndarray:
    """uint8[28,28] with one pixel."""
    image = np.zeros((28, 28), np.uint8)
    image[row, column] = value
    return image


def answers(*rows: tuple[int, float]) -> Probabilities:
    """A prediction and its probability each; the rest is shared out."""
    made = np.empty((len(rows), 10), np.float32)
    for row, (digit, probability) in enumerate(rows):
        made[row] = (1 - probability) / 9
        made[row, digit] = probability
    return made


def bin_of(name: str, image: np.ndarray, answer: tuple[int, float] = (0, 0.95)) -> int:
    counts = histograms(image[None], answers(answer))[name]
    assert counts.sum() == 1
    return int(counts.argmax())


def test_every_histogram_has_its_bins_and_counts_every_image() -> None:
    images = np.random.default_rng(0).integers(0, 256, (37, 28, 28), np.uint8)
    counts = histograms(images, answers(*((number % 10, 0.5) for number in range(37))))
    assert {name: len(each) for name, each in counts.items()} == BINS
    assert {int(each.sum()) for each in counts.values()} == {37}
    assert counts["predictions"].tolist() == [4, 4, 4, 4, 4, 4, 4, 3, 3, 3]


@pytest.mark.parametrize(("probability", "expected"), [(0.15, 1), (0.55, 5), (0.999, 9), (1.0, 9)])
def test_confidence_is_the_largest_probability_in_tenths(probability: float, expected: int) -> None:
    assert bin_of("confidence", dot(14, 14), (3, probability)) == expected


@pytest.mark.parametrize("image", [dot(0, 0), np.full((28, 28), 40, np.uint8), np.full((28, 28), 255, np.uint8)])
def test_ink_is_the_mean_of_the_pixels(image: np.ndarray) -> None:
    expected = sum(image.mean() / 255 >= edge for edge in INK_EDGES)
    assert bin_of("ink", image) == expected


@pytest.mark.parametrize(
    ("row", "column", "offset_px"), [(14, 14, 0), (14, 15, 1), (17, 10, 5), (0, 0, 19.8), (27, 14, 13)]
)
def test_offset_is_the_distance_of_the_centre_of_mass(row: int, column: int, offset_px: float) -> None:
    expected = sum(offset_px >= edge for edge in OFFSET_EDGES)
    assert bin_of("offset", dot(row, column)) == expected
    assert bin_of("offset", dot(row, column, value=3)) == expected, "however faint it is"


def test_an_image_without_ink_is_as_far_off_as_can_be() -> None:
    assert bin_of("offset", np.zeros((28, 28), np.uint8)) == len(OFFSET_EDGES)


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_the_counts_of_a_batch_are_the_sums_of_its_images(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    images: Images = random.integers(0, 256, (count, 28, 28), np.uint8)
    probabilities = random.dirichlet(np.ones(10), count).astype(np.float32)
    whole = histograms(images, probabilities)
    alone = [histograms(images[row : row + 1], probabilities[row : row + 1]) for row in range(count)]
    for name, counts in whole.items():
        np.testing.assert_array_equal(counts, sum((each[name] for each in alone), np.zeros(BINS[name], np.int64)))


def test_shares_add_up_to_one_and_of_nothing_to_nothing() -> None:
    counts = histograms(np.stack([dot(14, 14)] * 3), answers((1, 0.5), (1, 0.5), (2, 0.5)))
    assert shares(counts)["predictions"] == [0, 0.666667, 0.333333, 0, 0, 0, 0, 0, 0, 0]
    assert sum(shares(histograms(np.empty((0, 28, 28), np.uint8), answers()))["ink"]) == 0


def test_images_of_other_shapes_are_counted_by_label_confidence_and_brightness() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), np.uint8)
    counts = histograms(images, np.eye(11, dtype=np.float32)[[3, 3, 10, 0, 1]])
    assert {name: len(each) for name, each in counts.items()} == bins_of((8, 6, 3), 11)
    assert list(counts) == ["predictions", "confidence", "ink"]
    assert counts["predictions"].tolist() == [1, 1, 0, 2, 0, 0, 0, 0, 0, 0, 1]
    expected = [sum(image.mean() / 255 >= edge for edge in INK_EDGES) for image in images]
    assert counts["ink"].nonzero()[0].tolist() == sorted(set(expected))


def test_predictions_among_many_labels_are_not_counted() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    assert list(histograms(images, np.eye(40, dtype=np.float32)[[39, 0]])) == ["confidence", "ink", "offset"]
