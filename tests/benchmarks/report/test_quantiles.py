"""Medians and spreads."""

import pytest

from benchmarks.report.quantiles import middle_half, spread


def test_a_spread_has_median_minimum_and_maximum() -> None:
    of = spread([3.0, 1.0, 2.0])
    assert (of.median, of.min, of.max) == (2, 1, 3)


def test_no_values_have_no_spread() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_the_middle_half_leaves_out_both_tails() -> None:
    assert middle_half([(8.0,), (1.0,), (2.0,), (3.0,)]) == [(2.0,), (3.0,)]
    assert middle_half([(1.0,)]) == [(1.0,)]
