"""`python -m benchmarks.fleet`: the cost of idle workers, and of a thousand of them.

The cost of one more worker is the difference between an idle service with few workers and one with more. For
`--workers` more, only heartbeats are written, copies of a real one: every API process reads all of them each second.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import redis

from benchmarks.load.http_call import call
from benchmarks.system.machine import describe_machine
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import Service, running
from shared.contract.heartbeat import HEARTBEAT_CODEC
from shared.errors import MnistifiedError
from shared.redis import keys
from worker.reporting.heartbeat import WRITE_HEARTBEAT

REAL_WORKERS = (6, 12)  # the difference gives the cost of one more worker
SETTLE_S = 3.0
KEPT_S = 3600  # the copies must outlive the measurement
REQUESTS = 5


class Idle(NamedTuple):
    """The work of a service without requests."""

    connections: float
    commands_per_s: float
    redis_cores: float
    api_cores: float

    def less(self, other: "Idle", workers: int) -> "Idle":
        """Return the difference to `other`, per worker."""
        return Idle(*((mine - theirs) / workers for mine, theirs in zip(self, other, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--workers", type=int, default=1000, help="heartbeats to write (default: 1000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement (default: 20)")
    arguments = parser.parse_args()
    try:
        print("\n".join(measure(arguments.workers, arguments.seconds)))
    except (BenchmarkError, MnistifiedError, OSError) as error:
        sys.exit(f"fleet: {error}")


def measure(workers: int, seconds: float) -> list[str]:
    """Return the lines of a report. Raises BenchmarkError."""
    environ = {"ENGINE_THREADS": "1", "METRICS_PORT": "0"}
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
        few, many = REAL_WORKERS
        with running(Path(folder), few, environ) as service:
            with_few = observe(service, seconds)
        with running(Path(folder), many, environ) as service:
            together = observe(service, seconds)
            each = together.less(with_few, many - few)
            beat_bytes, beat_us = write_heartbeats(service, workers)
            crowded = observe(service, seconds)
            replies = {path: reply(service, path) for path in ("/status", "/metrics")}
    reading = crowded.less(together, 1)
    machine = describe_machine()
    return [
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['date']}.",
        "",
        f"| one more idle worker | each | {workers:,} workers |",
        "| --- | --: | --: |",
        f"| connections to Redis | {each.connections:.0f} | {each.connections * workers:,.0f} |",
        f"| commands/s | {each.commands_per_s:.1f} | {each.commands_per_s * workers:,.0f} |",
        f"| cores of Redis | {each.redis_cores:.5f} | {each.redis_cores * workers:.2f} |",
        f"| bytes of a heartbeat | {beat_bytes:,} | {beat_bytes * workers:,} |",
        f"| writing it, µs of Redis | {beat_us:.0f} | |",
        "",
        f"| an API process that hears of {workers:,} workers more | |",
        "| --- | --: |",
        f"| cores of it, for reading their heartbeats each second | {reading.api_cores:.3f} |",
        f"| cores of Redis, for the same | {reading.redis_cores:.3f} |",
        *(f"| `GET {path}`, ms; KiB | {took_ms:.0f}; {kib:,.0f} |" for path, (took_ms, kib) in replies.items()),
    ]


def observe(service: Service, seconds: float) -> Idle:
    time.sleep(SETTLE_S)
    with client_of(service) as client:
        commands, cpu_s, started_s = commands_of(client), service.cpu_s(), time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - started_s
        used_s = {name: now - cpu_s[name] for name, now in service.cpu_s().items()}
        return Idle(
            len(client.client_list()) - 1,
            (commands_of(client) - commands) / took_s,
            used_s["redis"] / took_s,
            used_s["api"] / took_s,
        )


def commands_of(client: "redis.Redis") -> int:
    processed: int = client.info("stats")["total_commands_processed"]
    return processed


def write_heartbeats(service: Service, workers: int) -> tuple[int, float]:
    """Write the heartbeats; return the bytes and the µs of Redis for each."""
    with client_of(service) as client:
        name = client.zrange(keys.WORKERS, 0, 0)[0].decode()
        heartbeat = HEARTBEAT_CODEC.decode(client.get(keys.worker(name)))
        before_s, state = service.processes["redis"].cpu_s(), b""
        for number in range(workers):
            copy = f"copy-{number}"
            state = HEARTBEAT_CODEC.encode(msgspec.structs.replace(heartbeat, name=copy))
            call = WRITE_HEARTBEAT(
                workers=keys.WORKERS,
                worker=keys.worker(copy),
                name=copy,
                heartbeat=state,
                ttl_s=2 * KEPT_S,
                kept_ttl_s=2 * KEPT_S,
            )
            client.eval(*call)
        took_s = service.processes["redis"].cpu_s() - before_s
        until_s = client.time()[0] + KEPT_S  # nobody renews the copies
        client.zadd(keys.WORKERS, {f"copy-{number}": until_s for number in range(workers)})
        return len(state), took_s / workers * 1e6


def reply(service: Service, path: str) -> tuple[float, float]:
    """Return (ms, KiB) of the quickest of a few requests."""
    took_s = []
    for _ in range(REQUESTS):
        started_s = time.perf_counter()
        status, content = call(service.port, "GET", path, timeout_s=30)
        took_s.append(time.perf_counter() - started_s)
        if status != 200:
            raise BenchmarkError(f"{path} answers {status}")
    return min(took_s) * 1e3, len(content) / 1024


def client_of(service: Service) -> "redis.Redis":
    return redis.Redis(port=service.redis_port)


if __name__ == "__main__":
    main()
