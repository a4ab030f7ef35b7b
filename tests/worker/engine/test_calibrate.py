"""The choice of batch sizes from measured times."""

import itertools

import numpy as np
import pytest

from shared.images import Images, Probabilities
from worker.engine.calibrate import calibrate, cheapest_runs, choose_size


@pytest.mark.parametrize(
    ("ms_of_size", "max_batch_ms", "chosen"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.1, 8: 2.2}, 50, 8),
        (
            {1: 0.2, 2: 0.4, 4: 0.8, 8: 1.6, 16: 3.2, 32: 6.4, 64: 12.8},
            50,
            32,
        ),  # the model gains nothing: the step does
        ({64: 40.0, 128: 60.0}, 50, 64),
        ({1: 80.0, 2: 90.0}, 50, 1),
    ],
)
def test_the_smallest_size_near_the_best_that_keeps_the_limit(
    ms_of_size: dict[int, float], max_batch_ms: float, chosen: int
) -> None:
    assert choose_size(ms_of_size, max_batch_ms) == chosen


def test_a_count_between_two_sizes_runs_as_whatever_takes_the_least_time() -> None:
    runs = cheapest_runs({1: 1.0, 32: 10.0, 64: 19.0})
    assert runs[33] == [32, 1]
    assert runs[50] == [64], "32 and 18 ones would take longer than the padding"
    assert runs[0] == []


def test_every_count_is_covered_and_only_the_last_run_is_padded() -> None:
    for count, sizes in enumerate(cheapest_runs({1: 1.0, 2: 1.5, 4: 2.0, 8: 5.0})):
        assert sum(sizes) >= count
        assert sum(sizes[:-1]) < count or count == 0


def test_calibration_stops_at_the_limit_and_keeps_no_larger_size() -> None:
    """A clock that says that a run takes as many milliseconds as it has images."""
    sizes: list[int] = []
    ticks = itertools.count()

    def run(images: Images) -> Probabilities:
        sizes.append(len(images))
        return np.zeros((len(images), 10), np.float32)

    def clock_s() -> float:
        return sum(sizes) / 1e3 + next(ticks) * 1e-9

    calibration = calibrate(run, 1024, 20.0, clock_s)
    assert max(sizes) == 32, "the first size past 20 ms ends it"
    assert calibration.best_size <= 16
    assert set(calibration.ms_of_size) <= {1, 2, 4, 8, 16}
    assert calibration.images_per_s == pytest.approx(1000, rel=0.01)
