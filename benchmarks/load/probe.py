"""A few requests per second during a load. Their replies say where the time went, and are compared with the engine."""

import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.load.inputs import Inputs
from benchmarks.measure.answers import single_error
from benchmarks.report.results import Parts
from benchmarks.system.processes import BenchmarkError
from mnistified.http.http_wire import Incomplete, read_reply, to_request

EVERY_S = 0.05
MAX_LOAD_SHARE = 0.02  # a larger share would load a slow system noticeably
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply and the time that its client waited."""

    client_ms: float
    reply: dict[str, Any]
    error: float


def pause_s(latency_s: float, connections: int) -> float:
    """Return the pause before the next request: the probe adds at most MAX_LOAD_SHARE to `connections` busy ones."""
    return max(EVERY_S - latency_s, latency_s * (1 / MAX_LOAD_SHARE / connections - 1))


def probe(port: int, path: str, inputs: Inputs, connections: int, running: Callable[[], bool]) -> list[Sample]:
    """Send one request after the other, with pauses, while `running()`; at least one."""
    samples: list[Sample] = []
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while running():
            index = len(samples) % len(inputs.pngs)
            start_s = time.perf_counter()
            sock.sendall(to_request(path, inputs.pngs[index]))
            status, body = _receive(sock)
            client_ms = (time.perf_counter() - start_s) * 1e3
            if status != 200:
                raise BenchmarkError(f"POST {path} under load: {status}: {body[:500].decode(errors='replace')}")
            samples.append(Sample(client_ms, orjson.loads(body), single_error(body, inputs.expected[index])))
            due_s = time.monotonic() + pause_s(client_ms / 1e3, connections)
            while running() and time.monotonic() < due_s:
                time.sleep(min(EVERY_S, max(0.0, due_s - time.monotonic())))
    return samples


def parts_of(samples: list[Sample], decode_ms: float) -> Parts | None:
    """Return the mean of each part over the middle half of the samples by time, or None if replies have no parts.

    Means add up, medians do not. Replies do not carry the time of decoding: `decode_ms` was measured alone.
    """
    rows = [_row(sample, decode_ms) for sample in samples if "queue_ms" in sample.reply["debug"]]
    if not rows:
        return None
    _, *means = (statistics.fmean(column) for column in zip(*middle_half(rows), strict=True))
    return Parts(**dict(zip(("socket_ms", "decode_ms", "queue_ms", "model_ms", "reply_ms"), means, strict=True)))


def middle_half(rows: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the rows between the quartiles of their first column: typical rows, without the tails."""
    quarter = len(rows) // 4
    return sorted(rows)[quarter : len(rows) - quarter]


def _row(sample: Sample, decode_ms: float) -> tuple[float, ...]:
    """Return the total, then the parts in the order of `Parts`."""
    elapsed_ms, debug = sample.reply["elapsed_time_ms"], sample.reply["debug"]
    known_ms = decode_ms + debug["queue_ms"] + debug["model_ms"]
    reply_ms = max(0.0, elapsed_ms - known_ms)
    socket_ms = max(0.0, sample.client_ms - elapsed_ms)
    return (sample.client_ms, socket_ms, decode_ms, debug["queue_ms"], debug["model_ms"], reply_ms)


def _receive(sock: socket.socket) -> tuple[int, bytes]:
    received = b""
    while True:
        data = sock.recv(65536)
        if not data:
            raise BenchmarkError("the server closed the probe's connection")
        received += data
        try:
            return read_reply(received)
        except Incomplete:
            continue
