"""Which batch sizes an engine uses, from how long each took on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.images import IMAGE_SIDE, Images, Probabilities
from worker.engine.pace import FULL_SPEED, Pace

REPEATS = 5
SAME_WITHIN = 1.5  # so many times longer or shorter, and a known time is not that of this engine
WITHIN_BEST = 0.95
STEP_MS = 1.0  # what a batch costs the worker beside the model: taken, scattered, written


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ms_of_size` has the time of one run of each batch size up to `best_size`; none is larger."""

    ms_of_size: dict[int, float]
    best_size: int

    @property
    def images_per_s(self) -> float:
        """Throughput at the best size."""
        return self.best_size / self.ms_of_size[self.best_size] * 1e3


def calibrate(
    run: Callable[[Images], Probabilities],
    max_batch_images: int,
    max_batch_ms: float,
    pace: Pace = FULL_SPEED,
) -> Calibration:
    """Warm and time powers of two up to `max_batch_images`, and choose the largest batch size from them."""
    ms_of_size: dict[int, float] = {}
    max_ms = min(max_batch_ms, pace.longest_ms)
    size = 1
    while size <= max_batch_images:
        ms_of_size[size] = _fastest_ms(run, size, pace)
        if ms_of_size[size] > max_ms:
            break
        size *= 2
    best = choose_size(ms_of_size, max_ms)
    return Calibration({size: ms for size, ms in ms_of_size.items() if size <= best}, best)


def still_holds(run: Callable[[Images], Probabilities], known: Calibration, pace: Pace = FULL_SPEED) -> bool:
    """Whether a run of the best size takes about as long as the calibration of a like engine says."""
    known_ms = known.ms_of_size[known.best_size]
    return known_ms / SAME_WITHIN <= _fastest_ms(run, known.best_size, pace) <= known_ms * SAME_WITHIN


def choose_size(ms_of_size: dict[int, float], max_batch_ms: float) -> int:
    """The smallest size within 5 % of the best throughput among those that keep a batch under `max_batch_ms`.

    Where none does, the smallest size there is. Throughput counts the step around the model too: on a CPU the model
    alone can be as fast one by one, and batches of one would leave half of the time to the step.
    """
    rates = {size: size / (ms + STEP_MS) for size, ms in ms_of_size.items() if ms <= max_batch_ms}
    if not rates:
        return min(ms_of_size)
    return min(size for size, rate in rates.items() if rate >= WITHIN_BEST * max(rates.values()))


def cheapest_runs(ms_of_size: dict[int, float]) -> list[list[int]]:
    """For each count from 0 to the largest size, the batch sizes to run, the last one padded, that take the least time.

    A batch of 33 may be cheaper as 32 and 1 than padded to 64; the measured times decide.
    """
    costs_ms = [0.0]
    runs: list[list[int]] = [[]]
    for count in range(1, max(ms_of_size) + 1):
        cost_ms, size = min((ms + costs_ms[max(count - size, 0)], size) for size, ms in ms_of_size.items())
        costs_ms.append(cost_ms)
        runs.append(sorted([size, *runs[max(count - size, 0)]], reverse=True))
    return runs


def _fastest_ms(run: Callable[[Images], Probabilities], size: int, pace: Pace) -> float:
    """The least of a few runs: what disturbs a measurement only ever makes it longer."""
    images = np.zeros((size, IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    with pace.step():
        run(images)
    times_s = []
    for _ in range(REPEATS):
        with pace.timed():
            start_s = pace.clock_s()
            run(images)
            times_s.append(pace.clock_s() - start_s)
    return min(times_s) * 1e3
