"""Single images: closed loops of several widths on `POST /mnist/classify`, then open loops at parts of the capacity."""

import time
from collections.abc import Callable
from pathlib import Path

from api.images.decode import decode_image
from benchmarks.load.inputs import Inputs
from benchmarks.load.loops import closed_loop, open_loop
from benchmarks.load.probe import parts_of, probe
from benchmarks.plan import Plan
from benchmarks.report.results import OpenLoad, Single
from benchmarks.system.service import CLASSIFY, running

CpuSeconds = Callable[[], dict[str, float]]  # CPU time by process


def measure_single(plan: Plan, inputs: Inputs, log_dir: Path) -> tuple[list[Single], list[OpenLoad]]:
    """Measure all loops on one fresh service, whose waiting room fits the widest loop and the probe."""
    decode_ms = time_decoding(inputs)
    with running(log_dir / "single", environ={"MAX_WAITING_SINGLES": str(max(plan.connections) + 1)}) as service:
        singles = [
            measure_loop(service.port, CLASSIFY, connections, plan, inputs, service.cpu_s, decode_ms)
            for connections in plan.connections
        ]
        capacity_per_s = max(single.load.requests_per_s for single in singles)
        opens = [
            open_loop(service.port, CLASSIFY, inputs.png_files, capacity_per_s * share, plan.open_s, share)
            for share in plan.shares_of_capacity
        ]
    return singles, opens


def measure_loop(
    port: int, path: str, connections: int, plan: Plan, inputs: Inputs, cpu_s: CpuSeconds, decode_ms: float = 0.0
) -> Single:
    """Warm up, then measure one closed loop together with the probe. All systems are measured this way."""
    with closed_loop(port, path, inputs.png_files, connections, plan.warm_s) as warming:
        warming.finish()
    before_s, start_s = cpu_s(), time.perf_counter()
    with closed_loop(port, path, inputs.png_files, connections, plan.closed_s) as loop:
        samples = probe(port, path, inputs, connections, lambda: loop.running)
        seconds = time.perf_counter() - start_s
        busy = {name: round((after_s - before_s[name]) / seconds, 3) for name, after_s in cpu_s().items()}
        load = loop.finish()
    return Single(
        load=load,
        parts=parts_of(samples, decode_ms),
        batch_images=[size for sample in samples if (size := sample.reply["debug"].get("batch_images"))],
        max_error=max(sample.error for sample in samples),
        cpu_cores=busy,
    )


def time_decoding(inputs: Inputs) -> float:
    """Return the ms that the API's own decoding of one PNG takes alone."""
    repeats = 10
    start_s = time.perf_counter()
    for _ in range(repeats):
        for png in inputs.pngs:
            decode_image(png)
    return (time.perf_counter() - start_s) * 1e3 / (repeats * len(inputs.pngs))
