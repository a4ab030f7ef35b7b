"""`python -m benchmarks.load.client`: our own load client, one thread, in a process of its own.

It runs the open loop, because `wrk` has none, the overload, and the closed loop if `wrk` is not installed: `wrk`
disturbs a small machine less. Prints one line of JSON.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load.open_loop import open_loop, schedule_s
from mnistified.http.http_wire import to_request
from mnistified.http.load import Load, closed_loop, percentile

OPEN_CONNECTIONS = 256


def report(load: Load, late_s: Sequence[float] = ()) -> dict[str, Any]:
    """Return the figures of a load, times in milliseconds."""
    return {
        "seconds": load.seconds,
        "accepted": len(load.latencies_s),
        "p50_ms": _percentile_ms(load.latencies_s, 0.5),
        "p99_ms": _percentile_ms(load.latencies_s, 0.99),
        "refused_p99_ms": _percentile_ms(load.refused_s, 0.99),
        "late_p99_ms": _percentile_ms(late_s, 0.99),
        "refused": dict(load.refused),
        "failed": dict(load.failed),
    }


def _percentile_ms(times_s: Sequence[float], share: float) -> float:
    return percentile(times_s, share) * 1e3 if times_s else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.client", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=OPEN_CONNECTIONS)
    parser.add_argument("--rate-per-s", type=float, help="run an open loop at this rate instead of a closed loop")
    parser.add_argument("--patient", action="store_true", help="heed Retry-After after a refusal")
    parser.add_argument("--drain-s", type=float, default=0.0, help="seconds to wait for late answers (default: none)")
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    pngs = [file.read_bytes() for file in options.files]
    url = f"http://127.0.0.1:{options.port}"
    late_s: list[float] = []
    if options.rate_per_s:
        requests = [to_request(options.path, png) for png in pngs]
        load, late_s = open_loop(url, requests, options.connections, schedule_s(options.rate_per_s, options.seconds))
    else:
        load = closed_loop(
            url,
            options.path,
            pngs,
            options.connections,
            options.seconds,
            patient=options.patient,
            drain_s=options.drain_s,
            loop_factory=uvloop.new_event_loop,  # a third of the CPU time that asyncio's own loop takes
        )
    print(json.dumps(report(load, late_s)))


if __name__ == "__main__":
    main()
