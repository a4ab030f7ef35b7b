"""`python -m benchmarks.cost`: requests/s, latency, and CPU time per request of each process, in microseconds.

CPU time is less sensitive to other programs on the machine than requests/s are.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.load.inputs import PNGS, load_test_set, to_png
from benchmarks.load.loops import closed_loop
from benchmarks.system.service import CLASSIFY, Service, running

WARM_S = 1.0


def measure(service: Service, path: str, files: list[Path], connections: int, seconds: float) -> str:
    """Warm up, measure one closed loop, and return a line with its figures."""
    with closed_loop(service.port, path, files, connections, WARM_S) as warming:
        warming.finish()
    before_s = service.cpu_s()
    with closed_loop(service.port, path, files, connections, seconds) as loop:
        load = loop.finish()
    us = {name: (after_s - before_s[name]) / load.requests * 1e6 for name, after_s in service.cpu_s().items()}
    costs = "  ".join(f"{name} {cost:4.0f}" for name, cost in us.items())
    return (
        f"{connections:4} connections  {load.requests_per_s:6.0f} requests/s  p50 {load.p50_ms:6.2f} ms  "
        f"p99 {load.p99_ms:6.2f} ms  µs per request: {costs}  failed {load.failed}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default="cnn-small@2")
    parser.add_argument("--query", default="", help="query of the path, such as verbose=0")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as folder:
        files = [Path(folder) / f"{index}.png" for index in range(PNGS)]
        for file, image in zip(files, load_test_set().images, strict=False):
            file.write_bytes(to_png(image))
        environ = {"DEFAULT_MODEL": given.model, "MAX_WAITING_SINGLES": str(max(given.connections) + 1)}
        with running(Path(folder), given.workers, environ) as service:
            path = f"{CLASSIFY}?{given.query}" if given.query else CLASSIFY
            for connections in given.connections:
                print(measure(service, path, files, connections, given.seconds), flush=True)


if __name__ == "__main__":
    main()
