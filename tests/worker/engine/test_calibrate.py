"""The choice of batch sizes from measured times."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from shared.images import Images, Probabilities
from worker.engine.calibrate import REPEATS, Calibration, calibrate, cheapest_runs, choose_size, still_holds
from worker.engine.pace import Around, Pace


@pytest.mark.parametrize(
    ("ms_of_size", "max_batch_ms", "chosen"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.1, 8: 2.2}, 50, 8),
        (
            {1: 0.2, 2: 0.4, 4: 0.8, 8: 1.6, 16: 3.2, 32: 6.4, 64: 12.8},
            50,
            64,
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


class Timed:
    """A model whose runs take as many milliseconds as they have images, by its own clock."""

    def __init__(self, ms_per_image: float = 1.0) -> None:
        self.sizes: list[int] = []
        self._ms_per_image = ms_per_image
        self._ticks = itertools.count()

    def run(self, images: Images) -> Probabilities:
        self.sizes.append(len(images))
        return np.zeros((len(images), 10), np.float32)

    def clock_s(self) -> float:
        return sum(self.sizes) * self._ms_per_image / 1e3 + next(self._ticks) * 1e-9


def test_calibration_stops_at_the_limit_and_keeps_no_larger_size() -> None:
    timed = Timed()
    calibration = calibrate(timed.run, (28, 28), 1024, 20.0, Pace(clock_s=timed.clock_s))
    assert max(timed.sizes) == 32, "the first size past 20 ms ends it"
    assert calibration.best_size <= 16
    assert set(calibration.ms_of_size) <= {1, 2, 4, 8, 16}
    assert calibration.images_per_s == pytest.approx(1000, rel=0.01)


def test_beside_engines_that_serve_no_long_run_is_measured_and_each_step_is_kept_apart() -> None:
    timed = Timed()
    around: list[str] = []

    def noted(what: str) -> Around:
        @contextmanager
        def around_it() -> Iterator[None]:
            before = len(timed.sizes)
            yield
            around.append(f"{what} of {len(timed.sizes) - before}")

        return around_it

    pace = Pace(noted("step"), noted("timed"), timed.clock_s, longest_ms=3.0)
    assert calibrate(timed.run, (28, 28), 1024, 20.0, pace).best_size == 2
    assert max(timed.sizes) == 4
    assert around == ["step of 1", *["timed of 1"] * REPEATS] * 3, "of sizes 1, 2 and 4"


@pytest.mark.parametrize(("ms_per_image", "holds"), [(1.0, True), (1.4, True), (1.6, False), (0.5, False)])
def test_a_known_calibration_holds_for_an_engine_that_is_about_as_fast(ms_per_image: float, holds: bool) -> None:
    timed = Timed(ms_per_image)
    known = Calibration({1: 1.0, 8: 8.0}, 8)
    assert still_holds(timed.run, (28, 28), known, Pace(clock_s=timed.clock_s)) == holds
    assert set(timed.sizes) == {8}
