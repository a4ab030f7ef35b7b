"""Throughput, side by side with the champion's."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from shared.images import Images
from training.qa.bounds import Bounds
from training.qa.report.report import Check
from worker.engine import Engine

ROUNDS = 9
ROUND_S = 0.25


def check_throughput(engine: Engine, champion: Engine | None, images: Images, limits: Bounds) -> Check:
    """Told, not judged, without a champion: what a machine can do is no property of a version."""
    rates = measure_rates([engine, champion] if champion else [engine], images)
    rate = median(rates[0])
    its_rate = median(rates[1]) if champion else None
    bound = limits.throughput * its_rate if its_rate and limits.throughput else None
    told = f"in batches of {engine.best_batch_images}, the median of {ROUNDS} rounds"
    if its_rate:
        told += f"; {rate / its_rate:.2f} of the champion's, in turn with it"
    return Check("throughput", bound is None or rate >= bound, told, rate, bound, unit="images/s", champion=its_rate)


def measure_rates(
    engines: Sequence[Engine], images: Images, clock_s: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Images/s of each engine, round by round. The engines take turns, so that whatever else the machine does falls
    on all of them; each round of each is about as long.
    """
    counts = [_count(engine, len(images)) for engine in engines]
    rates: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, count, told in zip(engines, counts, rates, strict=True):
            start_s = clock_s()
            engine.predict(images[:count])
            told.append(count / (clock_s() - start_s))
    return rates


def _count(engine: Engine, available: int) -> int:
    """Whole batches that take about ROUND_S."""
    best = engine.best_batch_images
    batches = round(engine.calibration.images_per_s * ROUND_S / best)
    return min(max(1, batches) * best, available)
