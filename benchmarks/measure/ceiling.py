"""`python -m benchmarks.measure.ceiling`: the engine alone, in this process, in its best arrangement.

Engine, model, threads and settings are those of a worker. The arrangement is one engine with all threads, or one engine
per thread, whichever is faster, with the fastest batch size. Prints one line of JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np

from benchmarks.load.inputs import load_test_set
from benchmarks.load.loops import run_json
from benchmarks.report.results import Ceiling
from benchmarks.system.engine import engines_alone
from shared.images import Images

SIZES = (16, 32, 64, 128, 256, 512)
SWEEP_SHARE = 0.05  # part of the time, per batch size
TIMEOUT_S = 120


def measure_ceiling(seconds: float) -> Ceiling:
    """Measure in a process of its own."""
    return Ceiling(
        **run_json([sys.executable, "-m", "benchmarks.measure.ceiling", "--seconds", str(seconds)], TIMEOUT_S)
    )


Run = Callable[[Images], object]


def images_per_s(runs: Sequence[Run], images: Images, size: int, seconds: float) -> float:
    """Classify batches of `size` for so many seconds, each of `runs` in its own thread; return the rate."""
    batches = [images[start : start + size] for start in range(0, len(images) - size + 1, size)]
    for run in runs:
        run(batches[0])
    start_s = time.perf_counter()

    def count_batches(run: Run) -> int:
        done = 0
        while time.perf_counter() - start_s < seconds:
            run(batches[done % len(batches)])
            done += 1
        return done

    with ThreadPoolExecutor(len(runs)) as threads:
        done = sum(threads.map(count_batches, runs))
    return done * size / (time.perf_counter() - start_s)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure.ceiling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    images = load_test_set().images
    images = np.resize(images, (max(len(images), SIZES[-1]), *images.shape[1:]))  # the drawn sample has fewer
    arrangements, threads = engines_alone()
    runs, best = max(
        ((runs, size) for runs in arrangements for size in SIZES),
        key=lambda choice: images_per_s(choice[0], images, choice[1], seconds * SWEEP_SHARE),
    )
    rate = images_per_s(runs, images, best, seconds)
    print(json.dumps(asdict(Ceiling(images_per_s=rate, batch_images=best, threads=threads, engines=len(runs)))))


if __name__ == "__main__":
    main()
