"""The check of a version's throughput, relative to the champion's."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from shared.images import Images
from training.qa import bounds
from training.qa.bounds import Bounds
from training.qa.report.report import Check
from worker.engine import Engine

ROUNDS = 9
ROUND_S = 0.25
WORST_CASE_RUNS = 25


def check_throughput(engine: Engine, champion: Engine | None, images: Images, limits: Bounds) -> Check:
    """Measure the throughput. Judge it only relative to a champion, because it depends on the machine."""
    rates = measure_rates([engine, champion] if champion else [engine], images)
    rate = median(rates[0])
    champion_rate = median(rates[1]) if champion else None
    bound = limits.throughput * champion_rate if champion_rate and limits.throughput else None
    sentence = f"in batches of {engine.best_batch_images}, the median of {ROUNDS} rounds"
    if champion_rate:
        sentence += f"; {rate / champion_rate:.2f} of the champion's throughput, measured in alternating rounds"
    passed = bound is None or rate >= bound
    return Check("throughput", passed, sentence, rate, bound, unit="images/s", champion=champion_rate)


def check_worst_case(engine: Engine, image: Images, clock_s: Callable[[], float] = time.perf_counter) -> Check:
    """Check how long an image takes that visits all stages of a cascade. `image` is uint8[1,28,28]."""
    times_ms = []
    for _ in range(WORST_CASE_RUNS):
        start_s = clock_s()
        for network in engine.networks:
            network.predict(image)
        times_ms.append((clock_s() - start_s) * 1e3)
    worst_ms = median(times_ms)
    batch = engine.best_batch_images
    return Check(
        "worst case",
        worst_ms <= bounds.MAX_WORST_MS,
        f"an image that visits all {len(engine.networks)} stages takes {worst_ms:.2g} ms, the median of "
        f"{WORST_CASE_RUNS}; a batch of {batch} such images takes {engine.worst_ms(batch):.0f} ms",
        worst_ms,
        bounds.MAX_WORST_MS,
        "at_most",
        "ms",
    )


def measure_rates(
    engines: Sequence[Engine], images: Images, clock_s: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Return the images/s of each engine in each round. Engines alternate, so that other load slows all of them."""
    counts = [_count(engine, len(images)) for engine in engines]
    rates: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, count, engine_rates in zip(engines, counts, rates, strict=True):
            start_s = clock_s()
            engine.predict(images[:count])
            engine_rates.append(count / (clock_s() - start_s))
    return rates


def _count(engine: Engine, available: int) -> int:
    """Return the number of images in whole batches that take about ROUND_S."""
    best = engine.best_batch_images
    batches = round(engine.calibration.images_per_s * ROUND_S / best)
    return min(max(1, batches) * best, available)
