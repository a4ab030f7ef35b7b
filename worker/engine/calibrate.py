"""Chooses the batch sizes of an engine from measured times."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.images import Images, Probabilities
from worker.engine.pace import FULL_SPEED, Pace

REPEATS = 5
SAME_WITHIN = 1.5  # a known time that differs by a larger factor is not reused
WITHIN_BEST = 0.95
STEP_MS = 1.0  # cost of a batch outside the model: take it, scatter its answers, write them

Run = Callable[[Images], Probabilities]
Shape = tuple[int, ...]  # of one image


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured batch sizes. `ms_of_size` has the time of a run of each size up to `best_size`, which is the largest."""

    ms_of_size: dict[int, float]
    best_size: int

    @property
    def images_per_s(self) -> float:
        """Return the throughput at the best size."""
        return self.best_size / self.ms_of_size[self.best_size] * 1e3


def calibrate(
    run: Run, shape: Shape, max_batch_images: int, max_batch_ms: float, pace: Pace = FULL_SPEED
) -> Calibration:
    """Warm and time powers of two up to `max_batch_images`, and choose the largest batch size from them.

    `shape` is that of one image.
    """
    ms_of_size: dict[int, float] = {}
    max_ms = min(max_batch_ms, pace.longest_ms)
    size = 1
    while size <= max_batch_images:
        ms_of_size[size] = _fastest_ms(run, shape, size, pace)
        if ms_of_size[size] > max_ms:
            break
        size *= 2
    best = choose_size(ms_of_size, max_ms)
    return Calibration({size: ms for size, ms in ms_of_size.items() if size <= best}, best)


def still_holds(run: Run, shape: Shape, known: Calibration, pace: Pace = FULL_SPEED) -> bool:
    """Return whether a run of the best size takes about as long as the calibration of a similar engine says."""
    known_ms = known.ms_of_size[known.best_size]
    return known_ms / SAME_WITHIN <= _fastest_ms(run, shape, known.best_size, pace) <= known_ms * SAME_WITHIN


def choose_size(ms_of_size: dict[int, float], max_batch_ms: float) -> int:
    """Return the smallest size within 5 % of the best throughput, among sizes that keep a batch under `max_batch_ms`.

    Returns the smallest size if no size does. Throughput includes the step around the model: on a CPU, the model alone
    can be as fast with single images, but then the step would take half of the time.
    """
    rates = {size: size / (ms + STEP_MS) for size, ms in ms_of_size.items() if ms <= max_batch_ms}
    if not rates:
        return min(ms_of_size)
    return min(size for size, rate in rates.items() if rate >= WITHIN_BEST * max(rates.values()))


def cheapest_runs(ms_of_size: dict[int, float]) -> list[list[int]]:
    """Return the batch sizes that take the least time, for each count from 0 to the largest size. The last is padded.

    A batch of 33 may be cheaper as 32 and 1 than padded to 64. The measured times decide.
    """
    costs_ms = [0.0]
    runs: list[list[int]] = [[]]
    for count in range(1, max(ms_of_size) + 1):
        cost_ms, size = min((ms + costs_ms[max(count - size, 0)], size) for size, ms in ms_of_size.items())
        costs_ms.append(cost_ms)
        runs.append(sorted([size, *runs[max(count - size, 0)]], reverse=True))
    return runs


def _fastest_ms(run: Run, shape: Shape, size: int, pace: Pace) -> float:
    """Return the shortest of a few runs: disturbances only make a measurement longer."""
    images = np.zeros((size, *shape), np.uint8)
    with pace.step():
        run(images)
    times_s = []
    for _ in range(REPEATS):
        with pace.timed():
            start_s = pace.clock_s()
            run(images)
            times_s.append(pace.clock_s() - start_s)
    return min(times_s) * 1e3
