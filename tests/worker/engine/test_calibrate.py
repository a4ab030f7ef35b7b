"""The choice of batch sizes from measured times."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from shared.images import Images, Probabilities
from worker.engine.calibrate import (
    MAX_WORST_BATCHES,
    REPEATS,
    Calibration,
    add_sizes_between,
    calibrate,
    calibrate_cascade,
    cheapest_runs,
    choose_size,
    size_between_pauses,
    still_holds,
)
from worker.engine.pace import Around, Pace

SAMPLES = np.zeros((3, 28, 28), np.uint8)


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


def test_a_count_between_two_sizes_runs_in_the_shortest_time() -> None:
    runs = cheapest_runs({1: 1.0, 32: 10.0, 64: 19.0})
    assert runs[33] == [32, 1]
    assert runs[50] == [64], "32 and 18 ones would take longer than the padding"
    assert runs[0] == []


def test_every_count_is_covered_and_only_the_last_run_is_padded() -> None:
    for count, sizes in enumerate(cheapest_runs({1: 1.0, 2: 1.5, 4: 2.0, 8: 5.0})):
        assert sum(sizes) >= count
        assert sum(sizes[:-1]) < count or count == 0


@pytest.mark.parametrize(
    ("ms_of_size", "size"),
    [
        ({1: 0.1, 64: 1.8, 128: 3.6, 256: 7.2}, 128),
        ({1: 0.1, 2: 0.2, 4: 0.4}, 4),
        ({1: 2.6, 2: 5.2, 4: 10.4}, 1),
        ({1: 18.0, 2: 36.0}, 1),  # no run is short
        ({1: 3.0, 8: 6.0, 16: 9.0, 32: 17.5}, 16),  # short runs would cost the job more
    ],
)
def test_runs_between_pauses_are_as_long_as_others_may_wait(ms_of_size: dict[int, float], size: int) -> None:
    assert size_between_pauses(Calibration(ms_of_size, max(ms_of_size))) == size


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
    calibration = calibrate(timed.run, SAMPLES, 1024, 20.0, Pace(clock_s=timed.clock_s))
    assert max(timed.sizes) == 32, "the first size past 20 ms ends it"
    assert calibration.best_size <= 16
    assert set(calibration.ms_of_size) <= {1, 2, 4, 8, 16}
    assert calibration.images_per_s == pytest.approx(1000, rel=0.01)


def test_next_to_engines_that_serve_no_long_run_is_measured_and_steps_are_separate() -> None:
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
    assert calibrate(timed.run, SAMPLES, 1024, 20.0, pace).best_size == 2
    assert max(timed.sizes) == 4
    assert around == ["step of 1", *["timed of 1"] * REPEATS] * 3, "of sizes 1, 2 and 4"


def test_sizes_between_powers_of_two_spare_padding_and_parts() -> None:
    timed = Timed()
    calibration = add_sizes_between(timed.run, SAMPLES, Calibration({1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 16.0}, 16))
    assert list(calibration.ms_of_size) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16]
    assert calibration.best_size == 16
    assert set(timed.sizes) == {3, 5, 6, 7, 10, 12, 14}, "the powers are measured already"
    large = add_sizes_between(timed.run, SAMPLES, Calibration({32: 1.0, 64: 2.0}, 64))
    assert [size for size in large.ms_of_size if size > 24] == [28, 32, 64]


def test_a_count_near_a_size_is_padded_rather_than_run_in_parts() -> None:
    assert cheapest_runs({1: 0.05, 8: 0.4, 10: 0.47})[9] == [10], "8 and 1 would take 0.45 ms, and a second run"


@pytest.mark.parametrize(("ms_per_image", "holds"), [(1.0, True), (1.4, True), (1.6, False), (0.5, False)])
def test_a_known_calibration_holds_for_an_engine_that_is_about_as_fast(ms_per_image: float, holds: bool) -> None:
    timed = Timed(ms_per_image)
    known = Calibration({1: 1.0, 8: 8.0}, 8)
    assert still_holds(timed.run, SAMPLES, known, Pace(clock_s=timed.clock_s)) == holds
    assert set(timed.sizes) == {8}


CHEAP = Calibration({1: 0.1, 2: 0.15, 4: 0.25, 8: 0.45, 16: 0.85, 32: 1.65, 64: 3.25}, 64)
COSTLY = Calibration({1: 4.0, 2: 8.0, 4: 15.0}, 4)


def test_any_number_of_images_takes_the_time_of_its_batches() -> None:
    assert [COSTLY.ms_of(images) for images in (0, 1, 3, 4, 9)] == [0, 4, 12, 15, 34]
    assert COSTLY.ms_of(0.25) == 1
    assert COSTLY.ms_of(4.5) == 17


def test_a_version_of_one_network_has_the_sizes_of_the_network() -> None:
    assert calibrate_cascade([CHEAP], [1.0], 20) is CHEAP


def test_a_cascade_takes_the_time_of_each_stage_for_the_images_that_reach_it() -> None:
    calibrated = calibrate_cascade([CHEAP, COSTLY], [1.0, 0.01], 1000)
    assert calibrated.ms_of_size[1] == pytest.approx(0.1 + 0.04)
    assert calibrated.ms_of_size[32] == pytest.approx(1.65 + 0.32 * 4)


def test_a_batch_whose_images_visit_all_stages_is_limited() -> None:
    calibrated = calibrate_cascade([CHEAP, COSTLY], [1.0, 0.001], 5)
    size = calibrated.best_size
    worst_ms, next_ms = (CHEAP.ms_of(images) + COSTLY.ms_of(images) for images in (size, 2 * size))
    assert worst_ms <= MAX_WORST_BATCHES * 5 < next_ms


def test_a_stage_that_no_single_image_can_visit_in_time_leaves_batches_of_one() -> None:
    endless = Calibration({1: 1e6}, 1)
    assert calibrate_cascade([CHEAP, endless], [1.0, 0.0], 20) == Calibration({1: 0.1}, 1)
