"""Chooses the batch sizes of an engine from measured times."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.images import Images, Probabilities
from worker.engine.pace import FULL_SPEED, Pace

REPEATS = 5
SAME_WITHIN = 1.5  # a known time that differs by a larger factor is not reused
WITHIN_BEST = 0.95
MAX_WORST_BATCHES = 40  # time limit of a batch whose images visit all stages, as a multiple of the maximum batch time
BETWEEN_BITS = 3  # significant bits of the sizes between powers of two: 5, 6, 7, 10, 12, 14, 20, …
MAX_BETWEEN = 32  # above it, a second run costs little compared with the memory of one more size
RUN_MS = 0.03  # cost of a run outside the network: copied images, and memory that is no longer in the CPU's caches
PAUSE_MS = 4.0  # longest run in a batch of a job: singles wait for its end, and each pause costs the job a little
STEP_MS = 1.0  # cost of a batch outside the model: taking it, distributing its answers, writing them

Run = Callable[[Images], Probabilities]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured batch sizes. `ms_of_size` has the time of a run of each size up to `best_size`, which is the largest."""

    ms_of_size: dict[int, float]
    best_size: int

    @property
    def images_per_s(self) -> float:
        """Return the throughput at the best size."""
        return self.best_size / self.ms_of_size[self.best_size] * 1e3

    def ms_of(self, images: float) -> float:
        """Return the time of any number of images, in batches. For a fraction, the time is interpolated."""
        whole = math.floor(images)
        below_ms = self._ms_of(whole)
        return below_ms if whole == images else below_ms + (images - whole) * (self._ms_of(whole + 1) - below_ms)

    def _ms_of(self, images: int) -> float:
        full, rest = divmod(images, self.best_size)
        costs_ms = [self.ms_of_size[size] for size in cheapest_runs(self.ms_of_size)[rest]]
        return full * self.ms_of_size[self.best_size] + sum(costs_ms)


def calibrate(
    run: Run, samples: Images, max_batch_images: int, max_batch_ms: float, pace: Pace = FULL_SPEED
) -> Calibration:
    """Warm and time powers of two up to `max_batch_images`, and choose the largest batch size from them.

    `samples` are realistic images.
    """
    ms_of_size: dict[int, float] = {}
    max_ms = min(max_batch_ms, pace.longest_ms)
    size = 1
    while size <= max_batch_images:
        ms_of_size[size] = _fastest_ms(run, samples, size, pace)
        if ms_of_size[size] > max_ms:
            break
        size *= 2
    best = choose_size(ms_of_size, max_ms)
    return Calibration({size: ms for size, ms in ms_of_size.items() if size <= best}, best)


def add_sizes_between(run: Run, samples: Images, powers: Calibration, pace: Pace = FULL_SPEED) -> Calibration:
    """Warm and time sizes between powers of two, too, so that fewer batches are padded or run in parts.

    Under load, a batch has the images of one entry or two, which is any number.
    """
    last = min(powers.best_size, MAX_BETWEEN)
    sizes = [size for size in range(1, last) if size % (1 << max(0, size.bit_length() - BETWEEN_BITS)) == 0]
    ms_of_size = powers.ms_of_size | {
        size: _fastest_ms(run, samples, size, pace) for size in sizes if size not in powers.ms_of_size
    }
    return Calibration(dict(sorted(ms_of_size.items())), powers.best_size)


def calibrate_cascade(stages: Sequence[Calibration], reached: Sequence[float], max_batch_ms: float) -> Calibration:
    """Return the batch sizes of a cascade from those of its stages, or those of its only stage.

    `reached` is the share of realistic images that reach each stage: it decides how long a batch takes on average. The
    time of a batch whose images visit all stages is limited, too. If such batches keep coming, BatchLimit shrinks them.
    """
    first = stages[0]
    if len(stages) == 1:
        return first
    ms_of_size = {
        size: sum(stage.ms_of(share * size) for stage, share in zip(stages, reached, strict=True))
        for size in first.ms_of_size
        if size == 1 or sum(stage.ms_of(size) for stage in stages) <= MAX_WORST_BATCHES * max_batch_ms
    }
    best = choose_size(ms_of_size, max_batch_ms)
    return Calibration({size: ms for size, ms in ms_of_size.items() if size <= best}, best)


def still_holds(run: Run, samples: Images, known: Calibration, pace: Pace = FULL_SPEED) -> bool:
    """Return whether a run of the best size takes about as long as the calibration of a similar engine says."""
    known_ms = known.ms_of_size[known.best_size]
    return known_ms / SAME_WITHIN <= _fastest_ms(run, samples, known.best_size, pace) <= known_ms * SAME_WITHIN


def choose_size(ms_of_size: dict[int, float], max_batch_ms: float) -> int:
    """Return the smallest size within 5 % of the best throughput, among sizes that keep a batch under `max_batch_ms`.

    Returns the smallest size if no size does. Throughput includes the step around the model: on a CPU, the model alone
    can be as fast with single images, but then the step would take half of the time.
    """
    rates = {size: size / (ms + STEP_MS) for size, ms in ms_of_size.items() if ms <= max_batch_ms}
    if not rates:
        return min(ms_of_size)
    return min(size for size, rate in rates.items() if rate >= WITHIN_BEST * max(rates.values()))


def size_between_pauses(calibration: Calibration) -> int:
    """Return the largest size whose run ends within PAUSE_MS, or a larger one if that size has far less throughput."""
    rates = {size: size / (ms + RUN_MS) for size, ms in calibration.ms_of_size.items()}
    enough = WITHIN_BEST * max(rates.values())
    short = [size for size, ms in calibration.ms_of_size.items() if ms <= PAUSE_MS]
    return max([min(size for size, rate in rates.items() if rate >= enough), *short])


def cheapest_runs(ms_of_size: dict[int, float]) -> list[list[int]]:
    """Return the batch sizes that take the least time, for each count from 0 to the largest size. The last is padded.

    A batch of 33 may be cheaper as 32 and 1 than padded to 64. The measured times decide.
    """
    costs_ms = [0.0]
    runs: list[list[int]] = [[]]
    for count in range(1, max(ms_of_size) + 1):
        cost_ms, size = min((ms + RUN_MS + costs_ms[max(count - size, 0)], size) for size, ms in ms_of_size.items())
        costs_ms.append(cost_ms)
        runs.append(sorted([size, *runs[max(count - size, 0)]], reverse=True))
    return runs


def _fastest_ms(run: Run, samples: Images, size: int, pace: Pace) -> float:
    """Return the shortest of a few runs: disturbances only make a measurement longer."""
    images = samples[np.arange(size) % len(samples)]
    with pace.step():
        run(images)
    times_s = []
    for _ in range(REPEATS):
        with pace.timed():
            start_s = pace.clock_s()
            run(images)
            times_s.append(pace.clock_s() - start_s)
    return min(times_s) * 1e3
