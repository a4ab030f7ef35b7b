"""Medians, percentiles, spreads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quantiles import middle_half, percentile, spread


def test_a_percentile_is_one_of_the_values_and_enough_are_not_above_it() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_so_many_values_are_at_most_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_a_spread_has_median_least_and_most() -> None:
    of = spread([3.0, 1.0, 2.0])
    assert (of.median, of.least, of.most) == (2, 1, 3)


@pytest.mark.parametrize("empty", [spread, lambda values: percentile(values, 0.5)])
def test_no_values_have_no_quantile(empty: object) -> None:
    assert callable(empty)
    with pytest.raises(ValueError, match="at least one value"):
        empty([])


def test_the_middle_half_leaves_out_both_tails() -> None:
    assert middle_half([(8.0,), (1.0,), (2.0,), (3.0,)]) == [(2.0,), (3.0,)]
    assert middle_half([(1.0,)]) == [(1.0,)]
