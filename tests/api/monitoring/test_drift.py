"""The distance, compared with known values and with chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.monitoring.drift import chance, describe, distance, reference_of, sum_counts
from shared.contract.drift_histograms import BINS
from shared.contract.model_card import ModelCard
from tests.support.thoroughness import examples

EVEN = [0.1] * 10
STEEP = [0.0, 0.0, 0.0, 0.001, 0.002, 0.003, 0.006, 0.018, 0.07, 0.9]


def test_equal_shares_are_no_distance_and_shares_of_nothing_in_common_are_one() -> None:
    assert distance([7] * 10, EVEN) == pytest.approx(0, abs=1e-9)
    assert distance([5, 0], [0.0, 1.0]) == 1.0


def test_the_distance_is_the_square_root_of_the_divergence_in_bits() -> None:
    """(1, 0) and (1/2, 1/2): the mean of log2(4/3) and of log2(2/3)/2 + log2(2)/2."""
    divergence = (np.log2(4 / 3) + (np.log2(2 / 3) + np.log2(2)) / 2) / 2
    assert distance([3, 0], [0.5, 0.5]) == pytest.approx(np.sqrt(divergence))


@settings(max_examples=examples(50), deadline=None)
@given(*[st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any) for _ in range(3)])
def test_the_distance_is_a_metric(one: list[int], two: list[int], three: list[int]) -> None:
    shares = [[count / sum(each) for count in each] for each in (one, two, three)]
    assert 0 <= distance(one, shares[1]) <= 1
    assert distance(one, shares[1]) == pytest.approx(distance(two, shares[0]), abs=1e-6)
    assert distance(one, shares[2]) <= distance(one, shares[1]) + distance(two, shares[2]) + 1e-6


@pytest.mark.parametrize("reference", [EVEN, STEEP])
@pytest.mark.parametrize("images", [100, 1000, 10_000])
def test_without_drift_a_distance_stays_under_what_chance_allows(reference: list[float], images: int) -> None:
    draws = np.random.default_rng(images).multinomial(images, reference, 2000)
    beyond = np.mean([distance(draw.tolist(), reference) > chance(images, reference) for draw in draws])
    assert beyond < 0.005
    most = max(distance(draw.tolist(), reference) for draw in draws)
    assert most > chance(images, reference) / 2, "and it is not so wide that nothing would ever show"


def test_one_image_says_nothing() -> None:
    assert chance(1, EVEN) == 1.0


def test_a_reference_of_one_bin_leaves_nothing_to_chance() -> None:
    assert chance(10, [1.0, 0.0]) == 0.0


def counts_of(**some: list[int]) -> dict[str, list[int]]:
    return {name: some.get(name, [0] * bins) for name, bins in BINS.items()}


def test_without_a_reference_there_is_no_distance() -> None:
    described = describe(counts_of(predictions=[4] * 10, ink=[1] * BINS["ink"]), {"predictions": EVEN})
    assert described["images"] == 40
    assert described["predictions"] == {"distance": 0.0, "chance": pytest.approx(0.353, abs=0.01), "shares": EVEN}
    assert (described["ink"]["distance"], described["ink"]["chance"]) == (None, None)
    assert described["confidence"]["shares"] == [0] * BINS["confidence"]


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"reference": None},
        {"reference": "much"},
        {"reference": {"predictions": [0.5, 0.5]}},
        {"reference": {"predictions": ["0.1"] * 10}},
        {"reference": {"predictions": [10.0] * 10, "other": EVEN}},
    ],
)
def test_a_reference_that_is_none_counts_as_none(card: ModelCard) -> None:
    assert reference_of(card) == {}


def test_a_reference_is_read_off_the_card() -> None:
    assert reference_of({"reference": {"predictions": EVEN, "ink": []}}) == {"predictions": EVEN}


def test_the_counts_of_windows_are_added_up() -> None:
    counts = sum_counts([{b"predictions:3": b"2", b"ink:0": b"1"}, {b"predictions:3": b"5"}, {}])
    assert counts == counts_of(predictions=[0, 0, 0, 7, *[0] * 6], ink=[1, *[0] * (BINS["ink"] - 1)])
