"""`python -m benchmarks.cost`: requests/s, latency, and CPU time per request of each process, in microseconds.

CPU time is less sensitive to other programs on the machine than requests/s are. With `--floor`, the service takes turns
with the floor, the least that a service on the same way costs: `benchmarks/floor/`.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.load.inputs import PNGS, load_test_set, to_png
from benchmarks.load.loops import closed_loop
from benchmarks.report.results import Load
from benchmarks.system.floor import floor_running
from benchmarks.system.service import CLASSIFY, Service, running

WARM_S = 1.0


class Cost(NamedTuple):
    """A closed loop, and the CPU time per request of each process in microseconds."""

    load: Load
    us: Mapping[str, float]


def measure(service: Service, path: str, files: list[Path], connections: int, seconds: float) -> Cost:
    """Warm up, and measure one closed loop."""
    with closed_loop(service.port, path, files, connections, WARM_S) as warming:
        warming.finish()
    before_s = service.cpu_s()
    with closed_loop(service.port, path, files, connections, seconds) as loop:
        load = loop.finish()
    return Cost(load, {name: (s - before_s[name]) / load.requests * 1e6 for name, s in service.cpu_s().items()})


def line_of(system: str, costs: list[Cost]) -> str:
    """Return a line with the medians of some rounds."""
    loads = [cost.load for cost in costs]
    rate, p50_ms, p99_ms = (
        statistics.median(getattr(load, name) for load in loads) for name in ("requests_per_s", "p50_ms", "p99_ms")
    )
    us = "  ".join(f"{name} {statistics.median(cost.us[name] for cost in costs):4.0f}" for name in costs[0].us)
    return (
        f"{loads[0].connections:4} connections  {system:8}{rate:6.0f} requests/s  p50 {p50_ms:6.2f} ms  "
        f"p99 {p99_ms:6.2f} ms  µs per request: {us}  failed {sum(load.failed for load in loads)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=1, help="the medians count")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", default="cnn-small@2")
    parser.add_argument("--query", default="", help="query of the path, such as verbose=0")
    parser.add_argument(
        "--floor", action="store_true", help="measure the floor, too, with the first network of the model"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cost-") as folder, ExitStack() as stack:
        pngs = [to_png(image) for image in load_test_set().images[:PNGS]]
        files = [Path(folder) / f"{index}.png" for index in range(PNGS)]
        for file, png in zip(files, pngs, strict=True):
            file.write_bytes(png)
        environ = {"DEFAULT_MODEL": given.model, "MAX_WAITING_SINGLES": str(max(given.connections) + 1)}
        systems = {"service": stack.enter_context(running(Path(folder), given.workers, environ))}
        if given.floor:
            systems["floor"] = stack.enter_context(floor_running(Path(folder) / "floor", given.model, pngs[0]))
        path = f"{CLASSIFY}?{given.query}" if given.query else CLASSIFY
        for connections in given.connections:
            costs: dict[str, list[Cost]] = {name: [] for name in systems}
            for _ in range(given.rounds):
                for name, system in systems.items():
                    costs[name].append(measure(system, path, files, connections, given.seconds))
            for name in systems:
                print(line_of(name, costs[name]), flush=True)


if __name__ == "__main__":
    main()
