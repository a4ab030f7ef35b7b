"""Histograms and their quantiles."""

import numpy as np
import pytest

from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS, Histogram, quantile


def test_a_bucket_includes_its_bound_and_the_last_bucket_has_none() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (0, 1, 2, 3, 4, 5):
        histogram.add(value)
    assert histogram.counts == [2, 1, 2, 1]
    assert histogram.sum == 15


def test_a_value_may_count_several_times() -> None:
    histogram = Histogram((1, 2))
    histogram.add(1.5, 3)
    assert histogram.counts == [0, 3, 0]
    assert histogram.sum == 4.5


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_quantile_is_within_the_bucket_of_the_true_one(share: float) -> None:
    values = np.random.default_rng(1).lognormal(-6, 1, 10_000)
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(float(value))
    true = float(np.quantile(values, share))
    found = quantile(SECONDS, histogram.counts, share)
    assert found is not None
    low = max(bound for bound in SECONDS if bound < true)
    high = min(bound for bound in SECONDS if bound >= true)
    assert low < found <= high


def test_there_is_no_quantile_without_values() -> None:
    assert quantile(SECONDS, [0] * (len(SECONDS) + 1), 0.5) is None
    assert quantile(SECONDS, [], 0.5) is None


def test_a_quantile_over_all_bounds_is_the_last_bound() -> None:
    assert quantile((1, 2), [0, 0, 5], 0.5) == 2


def test_the_bounds_ascend() -> None:
    assert list(SECONDS) == sorted(set(SECONDS))
    assert list(BATCH_IMAGES) == sorted(set(BATCH_IMAGES))
