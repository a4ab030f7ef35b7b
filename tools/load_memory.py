"""Load and unload versions many times, as a worker does, and print the memory of the process.

`python -m tools.load_memory --loads 1000 --models-dir models cnn@3 cnn-small@2` alternates between the versions.
The exit status is 1 if the memory has grown since the first loads, which fill the caches of the libraries.
"""

import argparse
import sys
import time
from pathlib import Path

from shared.config.settings import Settings
from worker.engine.memory import rss_bytes
from worker.engine.pool import EnginePool

MIB = 1 << 20
WARM_LOADS = 100
MAX_GROWTH_BYTES = 16 * MIB  # from the warm state to the end


def main() -> int:
    """Load, unload, print. Return 0 if the memory has not grown."""
    parser = argparse.ArgumentParser(prog="python -m tools.load_memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--loads", type=int, default=1000)
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    text = "largest batch of the calibration, which takes most of the time (default: 256)"
    parser.add_argument("--max-batch-images", type=int, default=256, help=text)
    parser.add_argument("versions", nargs="+", metavar="NAME@VERSION")
    options = parser.parse_args()
    batch = options.max_batch_images
    settings = Settings(models_dir=options.models_dir, engine="litert", engine_threads=2, max_batch_images=batch)
    pool = EnginePool(settings)
    warm = peak = 0
    start_s = time.monotonic()
    for number in range(1, options.loads + 1):
        ref = options.versions[number % len(options.versions)]
        pool.load(ref)
        pool.unload(ref)
        now = rss_bytes() or 0
        peak = max(peak, now)
        if number == WARM_LOADS:
            warm = now
        if number % 50 == 0:
            print(f"{number} loads: {now / MIB:.1f} MiB, {time.monotonic() - start_s:.0f} s", flush=True)
    grown = (rss_bytes() or 0) - warm
    print(f"grown by {grown / MIB:.1f} MiB since load {WARM_LOADS}, peak {peak / MIB:.1f} MiB")
    return int(grown > MAX_GROWTH_BYTES)


if __name__ == "__main__":
    sys.exit(main())
